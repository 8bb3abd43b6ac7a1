// How many hardware exits one exit of the operating system costs, against the number N of hypervisors l_0 .. l_(N-1) below it. Every
// hardware exit lands in l_0; there is one entry for each exit, so that there are twice as many transitions.
//
// E_x(k), the exits that one exit of kind k at level x costs, E_1 = 1:
//
//   E_x(k) = 1 + sum over y = 1 .. x-2 of (sum over j in F_k of E_y(j))      forwarding by the levels below the handler
//              + sum over j in H_k of E_(x-1)(j)                              handling by l_(x-1)
//
// F_k: the exiting operations with which a level forwards an exit of kind k, H_k those with which a level handles one, the VMRESUME that ends them
// included. A kind is an operation together with all that decides what it costs: VMREAD and VMWRITE with their field, VMRESUME with the fields that
// were written since the VMCS last ran (after handling a VMCALL that is RIP alone, after a forward RIP, RSP and RFLAGS), because whoever emulates it
// writes the same fields one level below. Operations that do not exit (shadowed accesses) are left out. With VMRESUME not propagated, E_x(VMRESUME) = 1.
import { accessesExit, propagatesResume, type Strategy } from './strategies';

/** A multiset of operations by kind. */
export type Operations = Readonly<Record<string, number>>;

/** What a level does with an exit: its operations in between, and the VMRESUME that ends it. */
export interface Work {
  readonly operations: Operations;
  readonly resume: string;
}

/** What a hypervisor does, by kind of exit. Every kind that occurs as an operation, and every kind of VMRESUME, needs a row. */
export interface TypedBehaviour {
  readonly forward: Readonly<Record<string, Work>>;
  readonly handle: Readonly<Record<string, Work>>;
}

export const resumeKind = 'VMRESUME';
/** VMRESUME, whatever it resumes. */
export const isResume = (kind: string): boolean => kind === resumeKind || kind.startsWith(`${resumeKind} `);

/** Thrown when the recurrence meets a kind of which nothing is known. */
export class UnknownKind extends RangeError {
  constructor(readonly kind: string, readonly role: 'forward' | 'handle') { super(`no operations are given for ${role === 'forward' ? 'forwarding' : 'handling'} ${kind}`); }
}

/** E_1 .. E_levels of the kind `kind`. */
export function typedExits(behaviour: TypedBehaviour, kind: string, levels: number, propagates = true): bigint[] {
  const known = new Map<string, bigint>();
  const workOf = (role: 'forward' | 'handle', k: string): Work => {
    if (!Object.hasOwn(behaviour[role], k)) throw new UnknownKind(k, role);
    return behaviour[role][k];
  };
  const cost = ({ operations, resume }: Work, level: number): bigint =>
    Object.entries(operations).reduce((sum, [k, n]) => sum + BigInt(n) * exits(k, level), exits(resume, level));
  const exits = (k: string, x: number): bigint => {
    if (x === 1 || (!propagates && isResume(k))) return 1n;
    const key = `${x} ${k}`, found = known.get(key);
    if (found !== undefined) return found;
    let sum = 1n + cost(workOf('handle', k), x - 1);
    for (let y = 1; y <= x - 2; y++) sum += cost(workOf('forward', k), y);
    known.set(key, sum);
    return sum;
  };
  return Array.from({ length: levels }, (_, n) => exits(kind, n + 1));
}

/** Kinds of exit of the scalar model: an access to a VMCS, an exit of the guest, and the instructions with which a hypervisor starts. */
const scalarKinds = ['access', 'exit', resumeKind, 'VMXON', 'VMCLEAR', 'VMPTRLD', 'VMWRITE', 'VMLAUNCH'] as const;

/** The scalar model: r exiting operations (VMRESUME apart) in each forward, each handler and each emulation of VMRESUME. */
export function scalarBehaviour(operations: number): TypedBehaviour {
  const work: Work = { operations: operations > 0 ? { access: operations } : {}, resume: resumeKind };
  const rows = Object.fromEntries(scalarKinds.map(kind => [kind, work]));
  return { forward: rows, handle: rows };
}

/** Hardware exits for one exit of the operating system, for N = 1 .. levels. `operations`: r without shadowing. */
export function exitsByLevels(strategy: Strategy, levels: number, operations: number): bigint[] {
  return typedExits(scalarBehaviour(accessesExit(strategy) ? operations : 0), 'exit', levels, propagatesResume(strategy));
}
