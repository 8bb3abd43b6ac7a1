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
    supportsBreakpointLocationsRequest: true,
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
