// The stack of a level as the protocol shows it: frames with ids, labels without.
import type { StackFrame } from '../images/stack-frames';
import type { Context } from '../levels/context';
import type { FrameInfo } from '../target-types';
import { formatAddress } from './addresses';
import type { MachineSession } from './machine-session';
import { restartProblem } from './moves';

/** Frames of a context; `handle` turns a frame of code into its id. */
export function stackOf({ frames }: MachineSession, context: Context, handle: (frame: StackFrame) => number): FrameInfo[] {
  return frames.of(context).map((frame): FrameInfo => {
    if (frame.kind === 'label') return { id: 0, name: frame.text, kind: 'label', level: frame.context.level };
    const { own, name, source, line, column, mapped } = frame;
    return {
      id: handle(frame), name: own ? name : `L${frame.context.level} · ${name}`, kind: own ? 'normal' : 'subtle', level: frame.context.level,
      instruction: formatAddress({ space: 'linear', level: frame.context.level, vcpu: frame.context.vcpu, value: frame.address }),
      ...source !== undefined && { source }, ...line !== undefined && { line }, ...column !== undefined && { column }, ...mapped && { image: mapped.image.name },
      canRestart: restartProblem(frame) === undefined,
    };
  });
}
