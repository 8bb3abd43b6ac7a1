// Global variables and file-scope statics by name. Built in one pass over the top level of every unit, and in namespaces, when first asked
// for; kept as offsets.

import { At, Tag } from './dwarf/constants';
import type { Entry } from './dwarf/debug-info';
import type { TypeTable } from './dwarf/type-table';
import { describeVariable, type Variable } from './dwarf/variables';
import type { UnitIndex } from './unit-index';

export class GlobalIndex {
  private readonly units: UnitIndex;
  private readonly types: TypeTable;
  private index: Map<string, number[]> | undefined;

  constructor(units: UnitIndex, types: TypeTable) {
    this.units = units;
    this.types = types;
  }

  /** Names in the file's order. */
  names(): string[] {
    return [...this.offsets().keys()];
  }

  /** Variables of a name. One defined in the unit that contains the link-time address `near` comes first. */
  named(name: string, near?: bigint): Variable[] {
    const unit = near === undefined ? undefined : this.units.unitAt(near);
    const variables = (this.offsets().get(name) ?? []).flatMap(offset => this.variableAt(offset));
    return variables.sort((a, b) => Number(b.entry.unit === unit) - Number(a.entry.unit === unit));
  }

  /** The globals of the unit that contains a link-time address, in the file's order. */
  ofUnitAt(address: bigint): Variable[] {
    const unit = this.units.unitAt(address);
    if (!unit) return [];
    return this.units.debugInfo.warnings.attempt(() => [...storedVariables(unit.root, 0)].flatMap(entry => describeVariable(entry, this.types, 'global') ?? []), []);
  }

  private variableAt(offset: number): Variable[] {
    const variable = this.units.debugInfo.warnings.attempt(() => describeVariable(this.units.debugInfo.entryAt(offset), this.types, 'global'), undefined);
    return variable ? [variable] : [];
  }

  private offsets(): Map<string, number[]> {
    if (!this.index) {
      for (const _ of this.prepare());
    }
    return this.index!;
  }

  /** Builds the index unit by unit, yielding the part done (0 to 1) after each. */
  *prepare(): Generator<number, void> {
    if (this.index) return;
    const index = new Map<string, number[]>();
    const { debugInfo, compileUnits } = this.units;
    for (const [i, unit] of compileUnits.entries()) {
      debugInfo.warnings.attempt(() => {
        for (const entry of storedVariables(unit.root, 0)) {
          const { name } = entry;
          if (name === undefined) continue;
          const known = index.get(name);
          if (known) known.push(entry.offset);
          else index.set(name, [entry.offset]);
        }
      }, undefined);
      yield (i + 1) / compileUnits.length;
    }
    this.index = index;
  }
}

/** Variables that the file gives a place or a value; declarations of others are left out. */
function* storedVariables(parent: Entry, depth: number): Generator<Entry> {
  for (const child of parent.children()) {
    if (child.tag === Tag.variable && (child.has(At.location) || child.has(At.constValue))) yield child;
    else if (child.tag === Tag.namespace && depth < 16) yield* storedVariables(child, depth + 1);
  }
}
