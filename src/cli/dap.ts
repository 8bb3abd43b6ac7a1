// `abyme dap`: a debug adapter for any editor, on standard input and output or, with --port, on a TCP port of this machine only. One
// connection is one session.
import { createServer } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { createAdapter } from '../debug-adapter/factory';
import { UserError } from '../debug-adapter/user-errors';
import { nodeHost } from './adapter-host';
import { frame, MessageReader } from './message-stream';
import { parseOptions } from './options';

/** Connects an adapter to two streams; resolves when the input has ended or the session was disconnected. */
export function serveSession(input: Readable, output: Writable, host = nodeHost({ log: text => process.stderr.write(`${text}\n`) })): Promise<void> {
  return new Promise(resolve => {
    const adapter = createAdapter(host);
    let ended = false;
    const end = (): void => {
      if (ended) return;
      ended = true;
      adapter.dispose();
      resolve();
    };
    adapter.onDidSendMessage(message => {
      if (ended) return;
      const { type, command } = message as { type: string; command?: string };
      output.write(frame(message), () => { if (type === 'response' && command === 'disconnect') setImmediate(end); });
    });
    const reader = new MessageReader({
      message: message => adapter.handleMessage(message as Parameters<typeof adapter.handleMessage>[0]),
      malformed: what => output.write(frame({ seq: 0, type: 'event', event: 'output', body: { category: 'stderr', output: `${new UserError('notAMessage', { what }).message}\n` } })),
    });
    input.on('data', (bytes: Buffer) => reader.take(bytes));
    input.on('end', end);
    input.on('close', end);
    input.on('error', end);
    output.on('error', end);
  });
}

export async function dapCommand(args: readonly string[]): Promise<number> {
  const options = parseOptions(args, ['port'], []), port = options.integer('port', 0, 65535);
  if (port === undefined) {
    await serveSession(process.stdin, process.stdout);
    process.stdin.destroy();
    return 0;
  }
  const server = createServer(socket => {
    // a response and the event after it must not wait for each other
    socket.setNoDelay(true);
    void serveSession(socket, socket).then(() => socket.end());
  });
  await new Promise<void>((resolve, reject) => { server.once('error', reject); server.listen(port, '127.0.0.1', resolve); });
  const address = server.address();
  process.stdout.write(`listening on 127.0.0.1:${typeof address === 'object' && address ? address.port : port}\n`);
  await new Promise<void>(resolve => server.once('close', resolve));
  return 0;
}
