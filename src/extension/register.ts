// Puts the extension together: everything that the editor calls is registered here, the same on the desktop, in a remote and on the web.
// Invariant: no part keeps running when no session does; the worker belongs to its session's adapter.

import * as vscode from 'vscode';
import { createAdapter } from '../debug-adapter/factory';
import { createAdapterHost, type Platform } from './adapter-host';
import { ConfigurationProvider, imageConfiguration } from './configuration-provider';
import type { ChosenFilter } from './custom-requests';
import { registerFieldBreakpoint } from './field-breakpoint';
import { GuardedAdapter } from './guarded-adapter';
import { registerInlineValues } from './inline-values';
import { registerLevelStops } from './level-stops';
import { LevelsView } from './levels-view';
import { MemoryFiles } from './memory-files';
import { registerNumberFormat } from './number-format';
import { Sessions } from './sessions';
import { createStatusBar } from './status-bar';
import { StopMemory } from './stop-memory';
import { registerStopsPicker } from './stops-picker';
import { registerTrace } from './trace-channel';
import { registerTracePanel } from './trace-panel';
import { registerTranslation } from './translation-command';
import { VmcsDocuments } from './vmcs-documents';

/** Where the chosen stops are kept: they belong to the workspace. */
const stopsKey = 'abyme.chosenStops';

/** Registers all contributions; `platform` is what differs between Node and the web. */
export function register(context: vscode.ExtensionContext, platform: Platform): void {
  const sessions = new Sessions();
  const channel = vscode.window.createOutputChannel('Abyme', { log: true });
  const configurations = new ConfigurationProvider(context.extension.packageJSON);

  const descriptorFactory: vscode.DebugAdapterDescriptorFactory = {
    createDebugAdapterDescriptor: async (session) => {
      const host = await createAdapterHost(context, platform, session.workspaceFolder, (text) => channel.info(text));
      const stops = new StopMemory(context.workspaceState.get<ChosenFilter[]>(stopsKey), (chosen) => void context.workspaceState.update(stopsKey, chosen));
      const adapter = new GuardedAdapter(createAdapter(host), stops);
      sessions.add(session, adapter);
      return new vscode.DebugAdapterInlineImplementation(adapter);
    },
  };

  context.subscriptions.push(
    sessions,
    channel,
    new LevelsView(sessions),
    createStatusBar(sessions),
    registerStopsPicker(sessions),
    registerTrace(channel),
    registerTracePanel(context, sessions),
    new MemoryFiles(sessions),
    new VmcsDocuments(sessions),
    registerFieldBreakpoint(),
    registerInlineValues(),
    registerLevelStops(sessions),
    registerNumberFormat(context, sessions),
    registerTranslation(),
    vscode.debug.registerDebugAdapterDescriptorFactory('abyme', descriptorFactory),
    vscode.debug.registerDebugConfigurationProvider('abyme', configurations),
    vscode.debug.registerDebugConfigurationProvider('abyme', configurations, vscode.DebugConfigurationProviderTriggerKind.Dynamic),
    vscode.commands.registerCommand('abyme.startDemonstration', () => vscode.debug.startDebugging(vscode.workspace.workspaceFolders?.[0], configurations.demonstrationConfiguration())),
    vscode.commands.registerCommand('abyme.debugImage', (uri?: vscode.Uri) => debugImage(uri)),
    vscode.commands.registerCommand('abyme.runImage', (uri?: vscode.Uri) => debugImage(uri, true)),
  );
}

/** From an editor's title or the explorer the image comes as an argument; from the palette it is the active editor's. */
async function debugImage(argument?: vscode.Uri, noDebug = false): Promise<void> {
  const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
  const active = input instanceof vscode.TabInputText || input instanceof vscode.TabInputCustom ? input.uri : undefined;
  const uri = argument ?? active;
  if (!uri) {
    void vscode.window.showErrorMessage('No image is selected: open an ELF file, or use the command in the Explorer.');
    return;
  }
  await vscode.debug.startDebugging(vscode.workspace.getWorkspaceFolder(uri), imageConfiguration(uri), { noDebug });
}
