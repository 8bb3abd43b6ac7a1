// How many hardware exits one exit of the operating system costs, against the number N of hypervisors l_0 .. l_(N-1) below it. Every
// hardware exit lands in l_0; there is one entry for each exit, so that there are twice as many transitions.
//
// E_x(k), the exits that one exit of kind k at level x costs, E_1 = 1:
//
//   E_x(k) = 1 + sum over y = 1 .. x-2 of (sum over j in F of E_y(j) + E_y(resume))      forwarding by the levels below the handler
//              + sum over j in H_k of E_(x-1)(j) + E_(x-1)(resume)                        handling by l_(x-1)
//
// F: the exiting operations of a forward; H_k: those of handling an exit of kind k. With resume not propagated, E_x(resume) = 1.
import { accessesExit, propagatesResume, type Strategy } from './strategies';

/** A multiset of operations by kind. */
export type Operations = Readonly<Record<string, number>>;

/** What a hypervisor does, counted by kind of operation that exits when a guest hypervisor executes it; the final VMRESUME is left out. */
export interface TypedBehaviour {
  readonly forward: Operations;
  /** By kind of exit; every kind that occurs as an operation needs a row, and so does `resume`. */
  readonly handle: Readonly<Record<string, Operations>>;
}

export const resumeKind = 'VMRESUME';

/** E_1 .. E_levels of the kind `kind`. Counts beyond 2^53 become Infinity-free bigints. */
export function typedExits(behaviour: TypedBehaviour, kind: string, levels: number, propagates = true): bigint[] {
  const kinds = new Set([kind, resumeKind, ...Object.keys(behaviour.forward), ...Object.values(behaviour.handle).flatMap(h => Object.keys(h))]);
  const rows: Map<string, bigint>[] = [];                              // rows[x - 1].get(k) = E_x(k)
  const cost = (operations: Operations, at: Map<string, bigint>): bigint => Object.entries(operations).reduce((sum, [k, n]) => sum + BigInt(n) * at.get(k)!, 0n);
  for (let x = 1; x <= levels; x++) {
    const row = new Map<string, bigint>();
    let forwarded = 0n;
    for (let y = 1; y <= x - 2; y++) forwarded += cost(behaviour.forward, rows[y - 1]) + rows[y - 1].get(resumeKind)!;
    for (const k of kinds) {
      if (x === 1 || (k === resumeKind && !propagates)) { row.set(k, 1n); continue; }
      const below = rows[x - 2], handling = behaviour.handle[k];
      if (!handling) throw new RangeError(`no operations are given for handling ${k}`);
      row.set(k, 1n + forwarded + cost(handling, below) + below.get(resumeKind)!);
    }
    rows.push(row);
  }
  return rows.map(row => row.get(kind)!);
}

/** The scalar model: r exiting operations (VMRESUME apart) in each forward, each handler and each emulation of VMRESUME. */
export function scalarBehaviour(operations: number): TypedBehaviour {
  const r = { access: operations };
  return { forward: r, handle: { access: r, exit: r, [resumeKind]: r } };
}

/** Hardware exits for one exit of the operating system, for N = 1 .. levels. `operations`: r without shadowing. */
export function exitsByLevels(strategy: Strategy, levels: number, operations: number): bigint[] {
  return typedExits(scalarBehaviour(accessesExit(strategy) ? operations : 0), 'exit', levels, propagatesResume(strategy));
}
