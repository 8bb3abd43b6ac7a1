// What the Exit Trace panel and the page in it say to each other. Types only.
import type { TraceFilter, TraceFormat } from '../inspector/target-types';

/** Requests of the adapter that the page may make. */
export const traceRequestNames = ['abyme/trace', 'abyme/traceStatistics', 'abyme/traceLanes', 'abyme/traceDetails'] as const;
export type TraceRequestName = (typeof traceRequestNames)[number];

export type PageMessage =
  | { readonly kind: 'request'; readonly id: number; readonly name: TraceRequestName; readonly args: object }
  | { readonly kind: 'export'; readonly format: TraceFormat; readonly filter: TraceFilter }
  /** The page listens now. */
  | { readonly kind: 'ready' };

export type PanelMessage =
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown }
  | { readonly kind: 'failure'; readonly id: number; readonly message: string }
  /** `stopped`: ask for everything again. `running`: what is shown is of the last stop. `none`: no machine is being debugged. */
  | { readonly kind: 'state'; readonly state: 'stopped' | 'running' | 'none' };
