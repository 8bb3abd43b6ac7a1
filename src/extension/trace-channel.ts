// With `"trace": true` in the configuration, every message between the editor and the adapter goes to the output channel Abyme.

import * as vscode from 'vscode';

const longestMessage = 2000;

/** Registers the tracer; the channel appears with the first session that asks for it. */
export function registerTrace(channel: vscode.LogOutputChannel): vscode.Disposable {
  const shown = (message: unknown) => {
    const text = JSON.stringify(message);
    return text.length > longestMessage ? `${text.slice(0, longestMessage)}... (${text.length} characters)` : text;
  };
  return vscode.debug.registerDebugAdapterTrackerFactory('abyme', {
    createDebugAdapterTracker: ({ configuration }) => configuration.trace !== true ? undefined : {
      onWillReceiveMessage: (message) => channel.info(`--> ${shown(message)}`),
      onDidSendMessage: (message) => channel.info(`<-- ${shown(message)}`),
      onError: (error) => channel.error(error),
    },
  });
}
