// A debug session as an editor has it: `abyme dap` in a process of its own, requests and events over a socket. One process serves many sessions,
// so that all but the first are warm.
import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

/** Starts the adapter's process; resolves with its port, its id and how to end it. */
export function startAdapter() {
  const child = spawn(process.execPath, ['--expose-gc', join(root, 'dist/abyme.js'), 'dap', '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.stdout.once('data', text => resolve({ port: Number(/:(\d+)/.exec(String(text))[1]), pid: child.pid, end: () => child.kill() }));
  });
}

export class Session {
  #seq = 1;
  #pending = new Map();
  #waiting = [];
  #buffer = Buffer.alloc(0);

  static async open(port) {
    const socket = connect(port, '127.0.0.1');
    await new Promise((resolve, reject) => { socket.once('connect', resolve); socket.once('error', reject); });
    socket.setNoDelay(true);
    return new Session(socket);
  }
  constructor(socket) {
    this.socket = socket;
    socket.on('data', bytes => this.#take(bytes));
  }

  request(command, args = {}) {
    const seq = this.#seq++, body = JSON.stringify({ seq, type: 'request', command, arguments: args });
    return new Promise((resolve, reject) => {
      this.#pending.set(seq, { resolve, reject });
      this.socket.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    });
  }
  /** The next event of a name. */
  event(name) { return new Promise(resolve => this.#waiting.push({ name, resolve })); }
  /** Sends a request that lets the machine run; resolves with the stop. */
  async stop(command, args) {
    const stopped = this.event('stopped');
    await this.request(command, args);
    return stopped;
  }

  /** Boots a stack to its first stop. */
  async start(launch, configure = async () => {}) {
    await this.request('initialize', { adapterID: 'abyme', linesStartAt1: true, columnsStartAt1: true, pathFormat: 'path' });
    await configure();
    const stopped = this.event('stopped');
    await this.request('launch', launch);
    await this.request('configurationDone');
    return stopped;
  }
  async end() {
    await this.request('disconnect').catch(() => {});
    this.socket.destroy();
  }

  #take(bytes) {
    this.#buffer = Buffer.concat([this.#buffer, bytes]);
    for (;;) {
      const header = this.#buffer.indexOf('\r\n\r\n');
      if (header < 0) return;
      const length = Number(/Content-Length: (\d+)/.exec(this.#buffer.toString('latin1', 0, header))[1]), end = header + 4 + length;
      if (this.#buffer.length < end) return;
      const message = JSON.parse(this.#buffer.toString('utf8', header + 4, end));
      this.#buffer = this.#buffer.subarray(end);
      if (message.type === 'response') {
        const call = this.#pending.get(message.request_seq);
        this.#pending.delete(message.request_seq);
        if (message.success) call.resolve(message.body); else call.reject(new Error(message.message));
      } else {
        const at = this.#waiting.findIndex(({ name }) => name === message.event);
        if (at >= 0) this.#waiting.splice(at, 1)[0].resolve(message.body);
      }
    }
  }
}

/** Milliseconds that something takes. */
export async function timed(action) {
  const begin = performance.now();
  await action();
  return performance.now() - begin;
}
export const median = values => [...values].sort((a, b) => a - b)[values.length >> 1];
