// Launch configurations: the one that F5 uses without a launch.json, those offered in the Run and Debug list, and the check of a written one.

import * as vscode from 'vscode';
import { checkConfiguration } from './configuration-check';

const largestOffer = 20;

type Properties = Parameters<typeof checkConfiguration>[1];

/** The part of package.json that is read back. */
interface Manifest {
  contributes: { debuggers: readonly { type: string; configurationAttributes: { launch: { properties: Properties } }; initialConfigurations: readonly vscode.DebugConfiguration[] }[] };
}

export class ConfigurationProvider implements vscode.DebugConfigurationProvider {
  private readonly properties: Properties;
  private readonly demonstration: vscode.DebugConfiguration;

  /** Schema and demonstration are read back from the manifest, which is their only place. */
  constructor(manifest: Manifest) {
    const [contribution] = manifest.contributes.debuggers.filter(({ type }) => type === 'abyme');
    this.properties = contribution!.configurationAttributes.launch.properties;
    this.demonstration = contribution!.initialConfigurations[0]!;
  }

  /** What the list offers without a launch.json: the demonstration, and each ELF image of the folder. */
  async provideDebugConfigurations(folder: vscode.WorkspaceFolder | undefined): Promise<vscode.DebugConfiguration[]> {
    const images = folder ? await vscode.workspace.findFiles(new vscode.RelativePattern(folder, '**/*.elf'), '**/node_modules/**', largestOffer) : [];
    return [this.demonstrationConfiguration(), ...images.map((uri) => imageConfiguration(uri))];
  }

  demonstrationConfiguration(): vscode.DebugConfiguration {
    return { ...this.demonstration };
  }

  /** F5 without a launch.json comes as an empty configuration. */
  resolveDebugConfiguration(_folder: vscode.WorkspaceFolder | undefined, configuration: vscode.DebugConfiguration): vscode.DebugConfiguration {
    return configuration.type || configuration.request || configuration.name ? configuration : this.demonstrationConfiguration();
  }

  /** The check comes after variables are substituted, so that messages show values. */
  async resolveDebugConfigurationWithSubstitutedVariables(
    _folder: vscode.WorkspaceFolder | undefined, configuration: vscode.DebugConfiguration,
  ): Promise<vscode.DebugConfiguration | undefined | null> {
    const mistakes = configuration.request === 'launch' ? checkConfiguration(configuration, this.properties) : [`'request' must be 'launch'; it is ${JSON.stringify(configuration.request)}.`];
    if (mistakes.length === 0) return configuration;
    const open = await vscode.window.showErrorMessage(`The launch configuration '${configuration.name}' cannot be used.`, { modal: true, detail: mistakes.join('\n') }, 'Open launch.json');
    // null opens launch.json, undefined just ends the launch.
    return open ? null : undefined;
  }
}

/** Boots one image and nothing else. */
export function imageConfiguration(uri: vscode.Uri): vscode.DebugConfiguration {
  const name = uri.path.split('/').pop();
  return { type: 'abyme', request: 'launch', name: `Abyme: ${name}`, program: uri.scheme === 'file' ? uri.fsPath : uri.toString(), stopOnEntry: true, stopsFrom: 'reset' };
}
