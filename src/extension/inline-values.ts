// Values in the editor while the machine is stopped: at the ends of the lines that were executed, and under the pointer of the mouse.

import * as vscode from 'vscode';
import { cExpressionAt, functionStart, registerAt, registersIn, variablesIn } from './source-expressions';

const languages = ['c', 'cpp', 'abyme-asm'];
const isAssembly = ({ languageId }: vscode.TextDocument): boolean => languageId === 'abyme-asm';
const isOurs = (): boolean => vscode.debug.activeDebugSession?.type === 'abyme';

export function registerInlineValues(): vscode.Disposable {
  const selector = languages.map((language) => ({ language }));
  return vscode.Disposable.from(
    vscode.languages.registerInlineValuesProvider(selector, {
      provideInlineValues: (document, viewPort, { stoppedLocation }) => isOurs() ? valuesOf(document, viewPort, stoppedLocation) : [],
    }),
    vscode.languages.registerEvaluatableExpressionProvider(selector, {
      provideEvaluatableExpression: (document, position) => {
        if (!isOurs()) return undefined;
        const text = document.lineAt(position).text, find = isAssembly(document) ? registerAt : cExpressionAt, found = find(text, position.character);
        return found && new vscode.EvaluatableExpression(new vscode.Range(position.line, found.start, position.line, found.end), found.text);
      },
    }),
  );
}

/** Of C the variables of the function up to the line where it stands; of assembly the registers of that line alone: above it they had other values. */
function valuesOf(document: vscode.TextDocument, viewPort: vscode.Range, stopped: vscode.Range): vscode.InlineValue[] {
  const last = stopped.end.line, range = (line: number, start: number, end: number) => new vscode.Range(line, start, line, end);
  if (last >= document.lineCount) return [];
  if (isAssembly(document)) {
    return registersIn(document.lineAt(last).text).map(({ text, start, end }) => new vscode.InlineValueEvaluatableExpression(range(last, start, end), text));
  }
  const values: vscode.InlineValue[] = [], first = Math.max(viewPort.start.line, functionStart((line) => document.lineAt(line).text, last));
  for (let line = first; line <= Math.min(last, viewPort.end.line); line++) {
    for (const { text, start, end } of variablesIn(document.lineAt(line).text)) values.push(new vscode.InlineValueVariableLookup(range(line, start, end), text, true));
  }
  return values;
}
