// The way of an address through paging and the tables of every level, from the menu of a value: it becomes a watch, so that it opens entry by entry and
// is there at every stop.

import * as vscode from 'vscode';

export function registerTranslation(): vscode.Disposable {
  return vscode.commands.registerCommand('abyme.watchTranslation', async (item?: { variable?: { memoryReference?: string } }) => {
    const address = item?.variable?.memoryReference ?? await vscode.window.showInputBox({ title: 'Watch Address Translation', prompt: 'An address: rsp, L2:0x1000, gpa1:0x1000', value: 'rsp' });
    if (!address) return;
    if (/^phys:/.test(address)) return void vscode.window.showInformationMessage('A host-physical address is the end of every translation.');
    // Expressions mean the processor of the frame in view.
    const expression = `walk ${address.replace(/^(L\d+|gpa\d+)\.\d+:/, '$1:')}`;
    const session = vscode.debug.activeDebugSession, frame = vscode.debug.activeStackItem;
    try {
      await session?.customRequest('evaluate', { expression, context: 'watch', frameId: frame instanceof vscode.DebugStackFrame ? frame.frameId : undefined });
    } catch (error) {
      return void vscode.window.showErrorMessage(error instanceof Error ? error.message : String(error));
    }
    await vscode.commands.executeCommand('debug.addToWatchExpressions', { variable: { evaluateName: expression } });
  });
}
