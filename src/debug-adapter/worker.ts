// Entry of the worker in a browser: the Target behind the worker's own port.
import { serveTarget, type ServerPort } from './target-server';

serveTarget(globalThis as unknown as ServerPort);
