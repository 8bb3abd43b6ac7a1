// The debugger contribution: type, languages, the launch schema and its snippets.

import { demonstration, launchAttributes, launchSnippets } from './launch-attributes';

/** Languages in whose editors breakpoints can be set and from which the debugger is offered. */
export const breakpointLanguages = ['c', 'cpp', 'abyme-asm'] as const;

export const debuggerContribution = {
  type: 'abyme',
  label: 'Abyme: nested hypervisors',
  languages: breakpointLanguages,
  configurationAttributes: { launch: { properties: launchAttributes } },
  initialConfigurations: [{ ...demonstration, stopsFrom: 'guest' }],
  configurationSnippets: launchSnippets,
};
