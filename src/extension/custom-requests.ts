// The requests beyond the Debug Adapter Protocol that the extension sends to its adapter, and the shapes of their answers.
// Types only: what they mean is the adapter's business.

import type { DebugProtocol } from '@vscode/debugprotocol';

/** What a virtualization level is doing. `suspended`: inside a VM entry or exit of its own; `running`: the machine is not stopped. */
export type LevelState = 'executing' | 'suspended' | 'running' | 'ended';

/** One level of one virtual processor, as `abyme/levels` answers it. */
export interface LevelDescription {
  threadId: number;
  level: number;
  vcpu: number;
  /** As in the list of threads: `L2 · hypervisor.elf`. */
  name: string;
  image: string;
  state: LevelState;
  /** The thread of the level whose guest this one is; absent at level 0. */
  parent?: number;
  function?: string;
  line?: number;
  source?: DebugProtocol.Source;
  /** Guest-linear, as `0x...`. */
  rip: string;
  /** The level was inferred from events that fit no known context. */
  uncertain?: boolean;
}

/** A kind of stop that the exception breakpoints can show. */
export interface StopFilter {
  filter: string;
  label: string;
  description?: string;
  group: string;
  /** Chosen for every level. */
  shown: boolean;
  /** Chosen for these levels only. */
  levels?: number[];
}

/** A filter that is to be shown, at one level or, without `level`, at any. */
export interface ChosenFilter {
  filter: string;
  level?: number;
}

/** In which base numbers are shown. */
export type Radix = 'mixed' | 'hexadecimal' | 'decimal';

/** A VMCS: its name in commands, whose it is, and what it is for. */
export interface VmcsDescription {
  name: string;
  level: number;
  state: string;
}

/** Requests by name: what is sent and what comes back. */
export interface CustomRequests {
  'abyme/levels': { arguments: Record<string, never>; answer: { levels: LevelDescription[] } };
  'abyme/filters': { arguments: Record<string, never>; answer: { filters: StopFilter[]; levels: { level: number; name: string }[] } };
  'abyme/setFilters': { arguments: { shown: ChosenFilter[] }; answer: Record<string, never> | undefined };
  'abyme/setFormat': { arguments: { radix: Radix }; answer: Record<string, never> | undefined };
  'abyme/chooseLevels': { arguments: { only?: number; muted: number[] }; answer: Record<string, never> | undefined };
  'abyme/vmcss': { arguments: Record<string, never>; answer: { vmcss: VmcsDescription[] } };
  'abyme/vmcsText': { arguments: { name: string }; answer: { text: string } };
}

export type SendRequest = <Name extends keyof CustomRequests>(name: Name, args: CustomRequests[Name]['arguments']) => Promise<CustomRequests[Name]['answer']>;
