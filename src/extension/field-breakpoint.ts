// 'Break When This Field Is Written', from the menu of a VMCS field: the editor's own data breakpoints cannot be made by extensions, so it becomes a
// function breakpoint on the place, `watch L1.vmcs@0x68d000:GUEST_RIP`, which is listed, edited and kept as any other.

import * as vscode from 'vscode';

interface FieldItem { container?: { variablesReference?: number }; variable?: { name?: string } }

export function registerFieldBreakpoint(): vscode.Disposable {
  return vscode.commands.registerCommand('abyme.breakOnFieldWrite', async (item?: FieldItem) => {
    const session = vscode.debug.activeDebugSession, name = item?.variable?.name;
    if (!session || name === undefined) return;
    const { dataId, description } = await session.customRequest('dataBreakpointInfo', { variablesReference: item?.container?.variablesReference, name }) as { dataId: string | null; description: string };
    if (dataId === null) return void vscode.window.showErrorMessage(description);
    const functionName = `watch ${dataId}`;
    if (vscode.debug.breakpoints.some((each) => each instanceof vscode.FunctionBreakpoint && each.functionName === functionName)) return;
    vscode.debug.addBreakpoints([new vscode.FunctionBreakpoint(functionName)]);
  });
}
