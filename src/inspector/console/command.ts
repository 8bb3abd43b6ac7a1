// What a command of the Debug Console is, and what it sees: the machine at a stop, the frame in view, and why the machine stopped. MANUAL 'Debug Console'.
import type { StackFrame } from '../images/stack-frames';
import type { Context } from '../levels/context';
import { LevelScope } from '../expressions/level-scope';
import type { MachineSession } from '../target/machine-session';
import type { Snapshots } from '../target/scopes';
import type { VariableNode } from '../target/variable-tree';
import type { Halt } from '../run-control/run-control';
import type { CodeListing, StopInfo } from '../target-types';

export interface ConsoleScope {
  readonly session: MachineSession;
  /** The frame in view; commands that name no level mean that of the frame. */
  readonly frame: StackFrame;
  /** VMCSs at the stop before. */
  readonly before: Snapshots;
  /** The stop, absent before the machine first ran. */
  readonly halt?: Halt;
  readonly stop?: StopInfo;
}

/** Text for the console; with `children` it can be opened. `listing`: code that whoever has a disassembler shows instead of the text. */
export interface Answer {
  readonly text: string;
  readonly children?: () => readonly VariableNode[];
  readonly memory?: string;
  readonly listing?: CodeListing;
}

export interface ConsoleCommand {
  readonly name: string;
  readonly usage: string;
  /** What it does, in one sentence. */
  readonly sentence: string;
  /** Undefined when the argument does not parse as that of this command: the line is an expression then. Throws an Error with the reason when it cannot be done. */
  run(argument: string, scope: ConsoleScope): Answer | undefined;
  /** Words that may follow the name. */
  complete?(scope: ConsoleScope): readonly string[];
}

/** The context of a level as seen from the frame. Throws an Error when there is none. */
export function contextOfLevel({ session, frame }: ConsoleScope, level: number | undefined): Context {
  const context = new LevelScope(session, frame.context).contextOf(level);
  if (!context) throw new Error(`there is no L${level} here`);
  return context;
}

/** An argument that may end in `at L2` or `of L2`. */
export function splitLevel(argument: string): { readonly rest: string; readonly level?: number } {
  const [, rest, level] = /^(.*?)\s*\b(?:at|of)\s+L?(\d{1,3})$/is.exec(argument) ?? [];
  return level === undefined ? { rest: argument } : { rest, level: Number(level) };
}

/** Names of the levels that exist. */
export const levelNames = ({ session }: ConsoleScope): string[] => [...new Set(session.tracker.liveContexts.map(({ level }) => `L${level}`))].sort();

export const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

/** Rows as columns, each as wide as its longest cell; the last one is not padded. */
export function columns(rows: readonly (readonly string[])[], indent = ''): string {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, n) => { widths[n] = Math.max(widths[n] ?? 0, cell.length); });
  return rows.map(row => indent + row.map((cell, n) => n === row.length - 1 ? cell : cell.padEnd(widths[n])).join('  ').trimEnd()).join('\n');
}
