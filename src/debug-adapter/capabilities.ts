// What the adapter can do, as `initialize` answers it.
import type { DebugProtocol } from '@vscode/debugprotocol';

export function capabilities(filters: DebugProtocol.ExceptionBreakpointsFilter[], disassembly: boolean): DebugProtocol.Capabilities {
  return {
    supportsConfigurationDoneRequest: true,
    supportsFunctionBreakpoints: true,
    supportsConditionalBreakpoints: true,
    supportsHitConditionalBreakpoints: true,
    supportsLogPoints: true,
    supportsInstructionBreakpoints: true,
    supportsDataBreakpoints: true,
    supportsDataBreakpointBytes: true,
    breakpointModes: breakpointModes(),
    supportsBreakpointLocationsRequest: true,
    supportsGotoTargetsRequest: true,
    supportsRestartFrame: true,
    supportsExceptionFilterOptions: true,
    supportsExceptionInfoRequest: true,
    exceptionBreakpointFilters: filters,
    supportsEvaluateForHovers: true,
    supportsSetVariable: true,
    supportsSetExpression: true,
    supportsValueFormattingOptions: true,
    supportsCompletionsRequest: true,
    supportsSteppingGranularity: true,
    supportsStepInTargetsRequest: true,
    supportsDisassembleRequest: disassembly,
    supportsReadMemoryRequest: true,
    supportsWriteMemoryRequest: true,
    supportsRestartRequest: true,
    supportsTerminateRequest: true,
    supportsDelayedStackTraceLoading: true,
    supportsCancelRequest: true,
  };
}

/** Levels that a breakpoint can be limited to by its mode; by a condition (`level == 9`) to any. */
const levelsWithMode = 6;

/** Where a stop holds: at every level, at one, or wherever that place of memory is used. */
function breakpointModes(): DebugProtocol.BreakpointMode[] {
  return [
    { mode: 'any', label: 'Any level', description: 'Linear addresses, in every level that has the code.', appliesTo: ['source', 'instruction', 'exception'] },
    ...Array.from({ length: levelsWithMode }, (_, level): DebugProtocol.BreakpointMode =>
      ({ mode: `L${level}`, label: `Only L${level}`, description: `Linear addresses of level ${level}.`, appliesTo: ['source', 'instruction', 'exception', 'data'] })),
    { mode: 'physical', label: 'Host-physical', description: 'The place in the memory of the machine, whatever level uses it at whatever address.', appliesTo: ['source', 'instruction', 'data'] },
    { mode: 'guest-physical', label: 'Guest-physical', description: 'Guest-physical addresses of the level in view.', appliesTo: ['data'] },
  ];
}
