// Node's globals in the web bundle, injected where a bundled module names them. @vscode/debugadapter asks `process` for the platform, and uses
// Buffer only to speak over streams, which an adapter inside the editor never does.

export const process = Object.freeze({ platform: 'web', argv: [], env: {}, on() {}, removeListener() {}, exit() {} });

export const setImmediate = (task, ...values) => setTimeout(task, 0, ...values);

const noStreams = () => {
  throw new Error('There are no streams in the web bundle.');
};
export const Buffer = Object.freeze({ alloc: noStreams, concat: noStreams, byteLength: noStreams });
