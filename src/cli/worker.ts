// Entry of the worker thread in Node: the Target behind the port to the thread that started it.
import './branch-hints';
import { parentPort } from 'node:worker_threads';
import { serveTarget, type ServerPort } from '../debug-adapter/target-server';

if (!parentPort) throw new Error('this file runs as a worker thread');
const parent = parentPort;
const port: ServerPort = { onmessage: null, postMessage: message => parent.postMessage(message) };
parent.on('message', (data: unknown) => port.onmessage?.({ data }));
serveTarget(port);
