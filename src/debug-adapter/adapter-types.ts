// The seam between the debug adapter and whoever hosts it: an editor's extension host, a command line, a test. The host reads files and
// creates workers; the adapter speaks the Debug Adapter Protocol and knows neither an editor nor a platform.
import type { DebugProtocol } from '@vscode/debugprotocol';

export interface Disposable { dispose(): void }

/** A worker that runs the machine: a Web Worker, a worker thread or something that behaves like one. */
export interface WorkerLike {
  postMessage(message: unknown, transfer?: Transferable[]): void;
  onmessage: ((event: { data: unknown }) => void) | null;
  onerror?: ((error: unknown) => void) | null;
  terminate(): void;
}

/** Objects whose ownership moves with a message; array buffers are all that the adapter sends. */
export type Transferable = ArrayBuffer;

/** The part of the iced-x86 package that the disassembly uses; the host loads it, since how is a matter of the platform. */
export type DisassemblerModule = Pick<typeof import('iced-x86'), 'Decoder' | 'Formatter' | 'FormatterSyntax' | 'DecoderOptions' | 'Instruction'>;

export interface AdapterHost {
  /** Bytes of a file: a path, a URI, or `extension:/...` for a file of the extension. Rejects when there is none. */
  readFile(uriOrPath: string): Promise<Uint8Array>;
  createWorker(): WorkerLike;
  log?(text: string): void;
  readonly workspaceFolders?: readonly { readonly name: string; readonly uri: string }[];
  /** Absent: the adapter does not offer disassembly. */
  loadDisassembler?(): Promise<DisassemblerModule>;
}

export interface Adapter {
  handleMessage(message: DebugProtocol.ProtocolMessage): void;
  onDidSendMessage(listener: (message: DebugProtocol.ProtocolMessage) => void): Disposable;
  dispose(): void;
}
