// Mistakes that a user can make, numbered: what is wrong, where, and what to do. Numbers are stable (they stand in reports and searches);
// a new row takes the next free number of its group. Texts name values in braces. A mistake of ours is never a row here.

interface Row { readonly number: number; readonly what: string; readonly fix: string }

const rows = {
  // 1000: requests
  notAMessage: { number: 1000, what: 'This is not a message of the Debug Adapter Protocol: {what}.', fix: 'Send a JSON object with type, seq and command.' },
  unknownRequest: { number: 1001, what: 'The request `{command}` is not known here.', fix: 'Use the requests that the capabilities name.' },
  badArgument: { number: 1002, what: 'The request `{command}` needs `{name}` to be {expected}, not {value}.', fix: 'Correct the argument and send the request again.' },
  notLaunched: { number: 1003, what: 'The request `{command}` came before a machine was launched.', fix: 'Send `launch` first.' },
  alreadyLaunched: { number: 1004, what: 'A machine runs in this session already.', fix: 'Use `restart`, or start another session.' },
  running: { number: 1005, what: 'The machine is running.', fix: 'Pause it first.' },
  ended: { number: 1006, what: 'The machine has ended.', fix: 'Start the session again.' },
  attach: { number: 1007, what: 'There is nothing to attach to: the machine belongs to its session.', fix: 'Use a configuration with `"request": "launch"`.' },
  // 1100: launch configurations
  badLaunchArgument: { number: 1100, what: 'The launch attribute `{name}` must be {expected}, not {value}.', fix: 'Correct it in launch.json.' },
  unreadableFile: { number: 1101, what: 'The file {path} ({role}) cannot be read: {reason}.', fix: 'Check the path in the launch configuration.' },
  badImage: { number: 1102, what: '{path} is not an image that can be booted: {reason}.', fix: 'Give an ELF file with loadable segments: 64-bit for x86-64, or 32-bit with a Multiboot header.' },
  incompleteInstallation: { number: 1103, what: 'The file {path} of the debugger itself is missing: {reason}.', fix: 'In a clone run `npm run build`; otherwise install the extension again.' },
  outOfMemory: { number: 1104, what: 'A machine with {mebibytes} MiB of memory cannot be made: {reason}.', fix: 'Lower `memory` in the launch configuration.' },
  doesNotFit: { number: 1105, what: 'The images do not fit into the memory of the machine: {reason}.', fix: 'Raise `memory` in the launch configuration.' },
  badProcessor: { number: 1106, what: 'There can be no such processor: {reason}.', fix: 'Correct `processor`, `processorWithout` or `physicalAddressBits` in the launch configuration.' },
  // 1200: what the debugger is asked for at a stop
  unknownThread: { number: 1200, what: 'There is no level with thread id {thread}.', fix: 'Ask for `threads` again: levels come and go.' },
  unknownFrame: { number: 1201, what: 'There is no frame {frame}.', fix: 'Frames live until the machine runs on: ask for the stack again.' },
  unknownVariables: { number: 1202, what: 'There are no variables with reference {reference}.', fix: 'References live until the machine runs on: ask for the scopes again.' },
  unknownVariable: { number: 1203, what: 'There is no variable {name} here.', fix: 'Choose one of the variables that are listed.' },
  readOnly: { number: 1204, what: '{name} cannot be set: {reason}.', fix: 'Set it at the level where it is live.' },
  badValue: { number: 1205, what: '{value} is not a value for {name}: {reason}.', fix: 'Give a number, hexadecimal with 0x, that fits.' },
  badExpression: { number: 1206, what: '{expression}: {reason}.', fix: 'The manual of the debugger lists what an expression can name.' },
  badAddress: { number: 1207, what: '{address} is not an address.', fix: 'Give a number, hexadecimal with 0x, after the level if it is not 0: L2:0x101000.' },
  unreadableMemory: { number: 1208, what: 'The memory at {address} is not mapped.', fix: 'Look at the walk of the address.' },
  noSource: { number: 1209, what: 'The source {path} was not found.', fix: 'Add a prefix of that path to `sourceMap` in the launch configuration.' },
  noDisassembler: { number: 1210, what: 'This host has no disassembler.', fix: 'Use the desktop or the command line.' },
  noTarget: { number: 1211, what: 'There is no step-in target {target}.', fix: 'Ask for the targets of the frame again.' },
  noException: { number: 1212, what: 'The machine did not stop at an exit, a failure or a fault.', fix: 'Set an exception filter and continue.' },
  levelEnded: { number: 1213, what: '{level} has ended.', fix: 'Choose a level that is alive.' },
  unknownSwitch: { number: 1214, what: 'The trace does not hold the world switch {number}.', fix: 'Ask for `abyme/trace` again: the oldest switches make room for new ones.' },
  notExecuting: { number: 1215, what: '{level} does not execute: the software below decides where it goes on.', fix: 'Move the level that executes, or set GUEST_RIP in the VMCS that holds it.' },
  wrongLevel: { number: 1216, what: '{level} does not run the code of {target}.', fix: 'Choose a line of the image that the level runs.' },
  noRestart: { number: 1217, what: '{frame} cannot be restarted: {reason}.', fix: 'Restart a frame of the level that executes.' },
  // 1300: breakpoints and filters
  unknownFilter: { number: 1300, what: 'There is no filter {filter}.', fix: 'The request `abyme/filters` lists them.' },
  badCondition: { number: 1301, what: 'The condition {expression} has a mistake: {reason}.', fix: 'The manual of the debugger lists what a condition can name.' },
  badHitCondition: { number: 1302, what: '{condition} is not a hit count.', fix: 'Give a number, or one after >, >=, <, <=, == or %.' },
} satisfies Record<string, Row>;

export type UserErrorId = keyof typeof rows;
export const userErrors: Readonly<Record<UserErrorId, Row>> = rows;

/** A mistake of the user with its number; what the adapter puts into an error response. */
export class UserError extends Error {
  readonly number: number;
  constructor(readonly id: UserErrorId, values: Readonly<Record<string, string>> = {}) {
    super(userErrorText(id, values));
    this.number = rows[id].number;
  }
}

export const isUserErrorId = (id: string): id is UserErrorId => Object.hasOwn(rows, id);

/** What and fix of a row with the values in place. */
export function userErrorText(id: UserErrorId, values: Readonly<Record<string, string>>): string {
  const { what, fix } = rows[id];
  return `${what} ${fix}`.replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
}
