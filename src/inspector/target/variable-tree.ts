// What a scope shows, as a tree that is made while it is opened: a node knows its value and, when asked, its children. References to nodes
// are numbers that live until the machine runs on.
import { TargetError, type VariableInfo } from '../target-types';

export interface VariableNode {
  readonly name: string;
  readonly value: string;
  readonly type?: string;
  /** Address that the value is, for the memory view: `L1:0x...`. */
  readonly memory?: string;
  readonly evaluateName?: string;
  children?(): readonly VariableNode[];
  /** Sets the value from text; throws TargetError. Absent: `fixed` says why it cannot be set. */
  set?(text: string): void;
  readonly fixed?: string;
  /** Reads the node again after it was set. */
  again?(): VariableNode;
}

/** References to nodes with children. 0 stands for no children. */
export class VariableTree {
  private readonly nodes: VariableNode[] = [];

  clear(): void { this.nodes.length = 0; }

  /** A reference to the children of a node. */
  reference(node: VariableNode): number { return node.children ? this.nodes.push(node) : 0; }

  info(node: VariableNode): VariableInfo {
    const { name, value, type, memory, evaluateName } = node;
    return {
      name, value, reference: this.reference(node), ...type !== undefined && { type }, ...memory !== undefined && { memory }, ...evaluateName !== undefined && { evaluateName },
      ...!node.set && { readOnly: true },
    };
  }

  /** Children of a reference. Throws TargetError when there is no such reference. */
  children(reference: number): VariableInfo[] { return this.childNodes(reference).map(node => this.info(node)); }

  /** Sets a child by name. Throws TargetError when it does not exist, cannot be set or not to that. */
  set(reference: number, name: string, text: string): VariableInfo {
    const node = this.childNodes(reference).find(each => each.name === name);
    if (!node) throw new TargetError('unknownVariable', { name });
    if (!node.set) throw new TargetError('readOnly', { name, reason: node.fixed ?? 'it is not held by the processor' });
    node.set(text);
    return this.info(node.again?.() ?? this.childNodes(reference).find(each => each.name === name) ?? node);
  }

  private childNodes(reference: number): readonly VariableNode[] {
    const node = this.nodes[reference - 1];
    if (!node?.children) throw new TargetError('unknownVariables', { reference: String(reference) });
    return node.children();
  }
}

/** Reads an integer as a user writes one: decimal, 0x, 0b, 0o, with _ or ' between digits, negative in two's complement. Throws TargetError. */
export function parseInteger(text: string, name: string, bits: number): bigint {
  const digits = text.trim().replace(/[_'](?=[0-9a-f])/gi, '');
  const negative = digits.startsWith('-');
  const magnitude = negative ? digits.slice(1) : digits;
  if (!/^(\d+|0x[0-9a-f]+|0b[01]+|0o[0-7]+)$/i.test(magnitude)) throw new TargetError('badValue', { value: text, name, reason: 'it is not a number' });
  const value = BigInt(magnitude);
  if (negative ? value > 1n << BigInt(bits - 1) : value >= 1n << BigInt(bits)) throw new TargetError('badValue', { value: text, name, reason: `it does not fit into ${bits} bits` });
  return BigInt.asUintN(bits, negative ? -value : value);
}
