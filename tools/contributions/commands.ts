// Commands, the menus they stand in, the Levels view and its welcome, and the walkthrough. A command is listed once it works.

import type { Command, Contributions, MenuItem } from './manifest-types';

export const levelsView = 'abyme.levels';
const abymeSession = "inDebugMode && debugType == 'abyme'";
const variablesView = "view == workbench.debug.variablesView && debugType == 'abyme'";
const levelInStack = "debugType == 'abyme' && callStackItemType =~ /^(thread|stackFrame)$/";
const memoryEditor = 'resourceScheme == abyme-memory';

export const commands: readonly Command[] = [
  { command: 'abyme.startDemonstration', title: 'Start the Demonstration Stack', category: 'Abyme', icon: '$(debug-alt)' },
  { command: 'abyme.debugImage', title: 'Debug This Image', category: 'Abyme', icon: '$(debug-alt)' },
  { command: 'abyme.chooseStops', title: 'Choose Stops by Reason and Level', shortTitle: 'Choose Stops', category: 'Abyme', icon: '$(list-filter)', enablement: abymeSession },
  { command: 'abyme.showExitTrace', title: 'Show Exit Trace', category: 'Abyme', icon: '$(pulse)', enablement: abymeSession },
  { command: 'abyme.refreshLevels', title: 'Refresh Levels', category: 'Abyme', icon: '$(refresh)', enablement: abymeSession },
  { command: 'abyme.showLevel', title: 'Show Where This Level Is', category: 'Abyme', icon: '$(go-to-file)', enablement: abymeSession },
  { command: 'abyme.runImage', title: 'Run This Image Without Debugging', category: 'Abyme', icon: '$(run)' },
  { command: 'abyme.breakOnlyAtLevel', title: 'Break Only at This Level', category: 'Abyme', enablement: abymeSession },
  { command: 'abyme.muteLevel', title: 'Mute or Unmute This Level', category: 'Abyme', enablement: abymeSession },
  { command: 'abyme.breakAtAllLevels', title: 'Break at All Levels', category: 'Abyme', enablement: abymeSession },
  { command: 'abyme.showHexadecimal', title: 'Show Numbers in Hexadecimal', shortTitle: 'Hexadecimal', category: 'Abyme', icon: '$(symbol-numeric)', enablement: abymeSession },
  { command: 'abyme.showDecimal', title: 'Show Numbers in Decimal', shortTitle: 'Decimal', category: 'Abyme', icon: '$(symbol-number)', enablement: abymeSession },
  { command: 'abyme.showNumbersAsUsual', title: 'Show Numbers as Usual', category: 'Abyme', enablement: abymeSession },
  { command: 'abyme.viewMemory', title: 'View Memory', category: 'Abyme', icon: '$(file-binary)', enablement: abymeSession },
  { command: 'abyme.memoryBack', title: 'Memory Before', category: 'Abyme', icon: '$(arrow-up)' },
  { command: 'abyme.memoryForward', title: 'Memory After', category: 'Abyme', icon: '$(arrow-down)' },
  { command: 'abyme.breakOnFieldWrite', title: 'Break When This Field Is Written', category: 'Abyme', enablement: abymeSession },
  { command: 'abyme.compareVmcs', title: 'Compare VMCS with...', category: 'Abyme', icon: '$(diff)', enablement: abymeSession },
  { command: 'abyme.watchTranslation', title: 'Watch Address Translation', category: 'Abyme', enablement: abymeSession },
];

export const menus: Partial<Contributions['menus']> = {
  commandPalette: [
    { command: 'abyme.debugImage', when: 'resourceExtname == .elf' },
    { command: 'abyme.runImage', when: 'resourceExtname == .elf' },
    { command: 'abyme.showLevel', when: 'false' },
    { command: 'abyme.memoryBack', when: memoryEditor },
    { command: 'abyme.memoryForward', when: memoryEditor },
    { command: 'abyme.breakOnFieldWrite', when: 'false' },
  ],
  'editor/title/run': [
    { command: 'abyme.debugImage', when: 'resourceExtname == .elf', group: '1_run@1' },
    { command: 'abyme.runImage', when: 'resourceExtname == .elf', group: '1_run@2' },
  ],
  'editor/title': [
    { command: 'abyme.memoryBack', when: memoryEditor, group: 'navigation@1' },
    { command: 'abyme.memoryForward', when: memoryEditor, group: 'navigation@2' },
  ],
  'explorer/context': [{ command: 'abyme.debugImage', when: 'resourceExtname == .elf', group: '2_workspace' }],
  'view/title': [
    { command: 'abyme.chooseStops', when: `view == ${levelsView} && ${abymeSession}`, group: 'navigation@1' },
    { command: 'abyme.showExitTrace', when: `view == ${levelsView} && ${abymeSession}`, group: 'navigation@3' },
    { command: 'abyme.refreshLevels', when: `view == ${levelsView} && ${abymeSession}`, group: 'navigation@2' },
    { command: 'abyme.breakAtAllLevels', when: `view == ${levelsView} && ${abymeSession}`, group: 'stops' },
    { command: 'abyme.showHexadecimal', when: `${variablesView} && abyme.radix != hexadecimal`, group: 'navigation@1' },
    { command: 'abyme.showDecimal', when: `${variablesView} && abyme.radix == hexadecimal`, group: 'navigation@1' },
    { command: 'abyme.showNumbersAsUsual', when: variablesView, group: 'numbers' },
    { command: 'abyme.compareVmcs', when: variablesView, group: 'vmcs' },
    { command: 'abyme.viewMemory', when: variablesView, group: 'vmcs' },
  ],
  'view/item/context': [
    { command: 'abyme.showLevel', when: `view == ${levelsView} && viewItem == level.located`, group: 'inline' },
    { command: 'abyme.breakOnlyAtLevel', when: `view == ${levelsView}`, group: 'stops@1' },
    { command: 'abyme.muteLevel', when: `view == ${levelsView}`, group: 'stops@2' },
    { command: 'abyme.breakAtAllLevels', when: `view == ${levelsView}`, group: 'stops@3' },
  ],
  'debug/callstack/context': [
    { command: 'abyme.breakOnlyAtLevel', when: levelInStack, group: 'stops@1' },
    { command: 'abyme.muteLevel', when: levelInStack, group: 'stops@2' },
    { command: 'abyme.breakAtAllLevels', when: levelInStack, group: 'stops@3' },
  ],
  'debug/variables/context': [
    { command: 'abyme.viewMemory', when: "debugType == 'abyme' && canViewMemory", group: 'z_abyme@1' },
    { command: 'abyme.watchTranslation', when: "debugType == 'abyme' && canViewMemory", group: 'z_abyme@2' },
    { command: 'abyme.breakOnFieldWrite', when: "debugProtocolVariableMenuContext == 'abyme.vmcsField'", group: 'z_abyme@4' },
    { command: 'abyme.compareVmcs', when: 'debugProtocolVariableMenuContext =~ /^abyme\\.vmcs/', group: 'z_abyme@3' },
  ],
  'debug/watch/context': [{ command: 'abyme.viewMemory', when: "debugType == 'abyme' && canViewMemory", group: 'z_abyme@1' }],
} satisfies Record<string, readonly MenuItem[]>;

export const views: Contributions['views'] = {
  debug: [{
    id: levelsView,
    name: 'Levels',
    icon: 'media/levels.svg',
    contextualTitle: 'Abyme',
    // Users of other debuggers see the view only while nothing runs.
    when: "!inDebugMode || debugType == 'abyme'",
  }],
};

export const viewsWelcome: Contributions['viewsWelcome'] = [
  {
    // The editor's own page of the side bar while nothing was ever started in the folder.
    view: 'debug',
    contents: 'Debug hypervisors at any depth of nesting:\n[Start the Demonstration Stack](command:abyme.startDemonstration)',
  },
  {
    view: levelsView,
    when: '!inDebugMode',
    contents: 'Each virtualization level of a stack of hypervisors, and which of them executes.\n[Start the Demonstration Stack](command:abyme.startDemonstration)\n'
      + 'Three copies of a recursive hypervisor and a guest boot on an emulated processor with Intel VT-x, and stop inside the guest\'s `CPUID` exit.',
  },
  { view: levelsView, when: 'inDebugMode', contents: 'No level has started yet.' },
];

export const walkthroughs = [
  {
    id: 'abyme.start',
    title: 'Debug Nested Hypervisors',
    description: 'From F5 to the inside of a VM exit, three hypervisors deep.',
    steps: [
      {
        id: 'start',
        title: 'Boot three hypervisors and a guest',
        description: 'No files are needed: the demonstration is part of the extension.\n[Start the Demonstration Stack](command:abyme.startDemonstration)',
        media: { markdown: 'media/walkthrough-start.md' },
        completionEvents: ['onCommand:abyme.startDemonstration'],
      },
      {
        id: 'levels',
        title: 'Look at the levels',
        description: 'Every level is a thread with its own stack. The Levels view marks the one that executes; a click shows where a level stands.\n[Open Run and Debug](command:workbench.view.debug)',
        media: { markdown: 'media/walkthrough-levels.md' },
        completionEvents: ['onCommand:abyme.showLevel'],
      },
      {
        id: 'stops',
        title: 'Choose where to stop',
        description: 'VM exits by reason and level, failed VM entries, VMfail, triple faults.\n[Choose Stops](command:abyme.chooseStops)',
        media: { markdown: 'media/walkthrough-stops.md' },
        completionEvents: ['onCommand:abyme.chooseStops'],
      },
      {
        id: 'values',
        title: 'Read and set every value',
        description: 'Registers, VMCSs, page tables, C variables and memory of every level, while it is stopped.\n[View Memory](command:abyme.viewMemory)',
        media: { markdown: 'media/walkthrough-values.md' },
        completionEvents: ['onCommand:abyme.viewMemory', 'onCommand:abyme.compareVmcs'],
      },
    ],
  },
];
