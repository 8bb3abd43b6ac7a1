// The VS Code keys of package.json, as one typed value. `node tools/generate-contributions.mjs` writes them; with --check it compares.

import { commands, menus, views, viewsWelcome, walkthroughs } from './commands';
import { breakpointLanguages, debuggerContribution } from './debugger';
import type { Manifest } from './manifest-types';

export const manifest: Manifest = {
  displayName: 'Abyme: Nested Hypervisor Debugger',
  publisher: 'abyme',
  categories: ['Debuggers', 'Programming Languages', 'Education'],
  keywords: ['hypervisor', 'vt-x', 'vmx', 'nested virtualization', 'x86', 'emulator', 'vmcs', 'ept'],
  icon: 'media/icon.png',
  galleryBanner: { color: '#16213a', theme: 'dark' },
  // Both entries are CommonJS: the web extension host loads nothing else, and in a package of ES modules tells it by the ending.
  main: './dist/extension.cjs',
  browser: './dist/web/extension.cjs',
  activationEvents: ['onDebugResolve:abyme', 'onDebugDynamicConfigurations:abyme', 'onDebugInitialConfigurations'],
  capabilities: {
    // An image runs inside the emulated machine only, and nothing of the workspace runs outside it.
    untrustedWorkspaces: { supported: true },
    virtualWorkspaces: true,
  },
  contributes: {
    breakpoints: breakpointLanguages.map((language) => ({ language })),
    commands,
    debuggers: [debuggerContribution],
    grammars: [{ language: 'abyme-asm', scopeName: 'source.abyme-asm', path: './syntaxes/abyme-asm.tmLanguage.json' }],
    languages: [{
      id: 'abyme-asm', aliases: ['x86 Assembly (GAS, NASM)', 'x86-asm'], extensions: ['.S', '.s', '.asm'], configuration: './syntaxes/abyme-asm.language-configuration.json',
    }],
    menus,
    views,
    viewsWelcome,
    walkthroughs,
  },
};
