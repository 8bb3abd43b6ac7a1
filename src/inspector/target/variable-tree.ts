// What a scope shows, as a tree that is made while it is opened: a node knows its value and, when asked, its children. References to nodes
// are numbers that live until the machine runs on.
import { insert } from '../../spec/bit-fields';
import { TargetError, type VariableInfo } from '../target-types';

export interface VariableNode {
  readonly name: string;
  readonly value: string;
  readonly type?: string;
  /** Address that the value is, for the memory view: `L1:0x...`. */
  readonly memory?: string;
  readonly evaluateName?: string;
  /** What the menus of an editor offer for it. */
  readonly menu?: VariableInfo['menu'];
  /** What a data breakpoint on it watches, as data-place.ts reads it. */
  readonly place?: string;
  /** Number of children, where they are elements `[0]`, `[1]` ... that can be asked for in parts. */
  readonly indexed?: number;
  children?(start?: number, count?: number): readonly VariableNode[];
  /** Sets the value from text; throws TargetError. Absent: `fixed` says why it cannot be set. */
  set?(text: string): void;
  readonly fixed?: string;
  /** Reads the node again after it was set. */
  again?(): VariableNode;
}

/** Which children: of many elements a part; only elements, or only what has a name. */
export interface ChildrenWish { readonly start?: number; readonly count?: number; readonly filter?: 'indexed' | 'named' }

/** References to nodes with children. 0 stands for no children. */
export class VariableTree {
  private readonly nodes: VariableNode[] = [];

  clear(): void { this.nodes.length = 0; }

  /** A reference to the children of a node. */
  reference(node: VariableNode): number { return node.children ? this.nodes.push(node) : 0; }

  info(node: VariableNode): VariableInfo {
    const { name, value, type, memory, evaluateName, menu, indexed } = node;
    return {
      name, value, reference: this.reference(node), ...type !== undefined && { type }, ...memory !== undefined && { memory }, ...evaluateName !== undefined && { evaluateName },
      ...menu !== undefined && { menu }, ...indexed !== undefined && { indexed }, ...!node.set && { readOnly: true },
    };
  }

  /** Children of a reference, of elements those of a part. Throws TargetError when there is no such reference. */
  children(reference: number, { start, count, filter }: ChildrenWish = {}): VariableInfo[] {
    const { indexed } = this.holder(reference);
    if (filter !== undefined && (filter === 'indexed') !== (indexed !== undefined)) return [];
    return this.childNodes(reference, start, count === 0 ? undefined : count).map(node => this.info(node));
  }

  /** A child by name. Throws TargetError when there is none. */
  child(reference: number, name: string): VariableNode {
    const [, index] = this.holder(reference).indexed === undefined ? [] : /^\[(\d{1,9})\]$/.exec(name) ?? [];
    const node = this.childNodes(reference, ...index === undefined ? [] : [Number(index), 1]).find(each => each.name === name);
    if (!node) throw new TargetError('unknownVariable', { name });
    return node;
  }

  /** Sets a child by name. Throws TargetError when it does not exist, cannot be set or not to that. */
  set(reference: number, name: string, text: string): VariableInfo {
    const node = this.child(reference, name);
    setNode(node, text);
    return this.info(node.again?.() ?? this.child(reference, name));
  }

  private holder(reference: number): VariableNode {
    const node = this.nodes[reference - 1];
    if (!node?.children) throw new TargetError('unknownVariables', { reference: String(reference) });
    return node;
  }

  private childNodes(reference: number, start?: number, count?: number): readonly VariableNode[] {
    const node = this.holder(reference), nodes = node.children!(start, count);
    // Other nodes make all their children.
    return node.indexed === undefined && start !== undefined ? nodes.slice(start, count === undefined ? undefined : start + count) : nodes;
  }
}

/** Sets a node. Throws TargetError when it cannot be set, or not to that. */
export function setNode(node: VariableNode, text: string): void {
  if (!node.set) throw new TargetError('readOnly', { name: node.name, reason: node.fixed ?? 'it is not held by the processor' });
  node.set(text);
}

/** A number that can be set and whose named bits can be set one by one. `write` throws an Error with the reason when it refuses. */
export interface Settable { readonly bits: number; read(): bigint; write(value: bigint): void }

/** The setter of a whole number. */
export function setterOf(name: string, { bits, write }: Settable): (text: string) => void {
  return text => attempt(name, text, () => write(parseInteger(text, name, bits)));
}

/** The setter of some bits of a number: the others stay as they are. */
export function bitSetterOf(name: string, [high, low]: readonly [high: number, low: number], whole: Settable): (text: string) => void {
  return text => attempt(name, text, () => {
    const part = /^\s*(true|false)\s*$/i.test(text) ? text.trim().toLowerCase() === 'true' ? 1n : 0n : parseInteger(text, name, high - low + 1);
    whole.write(insert({ bits: [high, low] }, whole.read(), part));
  });
}

function attempt(name: string, value: string, action: () => void): void {
  try { action(); } catch (error) {
    if (error instanceof TargetError) throw error;
    throw new TargetError('badValue', { value, name, reason: error instanceof Error ? error.message.replace(/\.$/, '') : String(error) });
  }
}

/** Reads an integer as a user writes one: decimal, 0x, 0b, 0o, with _ or ' between digits, negative in two's complement. Throws TargetError. */
export function parseInteger(text: string, name: string, bits: number): bigint {
  const digits = text.trim().replace(/[_'](?=[0-9a-f])/gi, '');
  const negative = digits.startsWith('-');
  const magnitude = negative ? digits.slice(1) : digits;
  if (!isNumber(text)) throw new TargetError('badValue', { value: text, name, reason: 'it is not a number' });
  const value = BigInt(magnitude);
  if (negative ? value > 1n << BigInt(bits - 1) : value >= 1n << BigInt(bits)) throw new TargetError('badValue', { value: text, name, reason: `it does not fit into ${bits} bits` });
  return BigInt.asUintN(bits, negative ? -value : value);
}

/** Whether a text is a number as `parseInteger` reads them. */
export const isNumber = (text: string): boolean => /^-?(\d+|0x[0-9a-f]+|0b[01]+|0o[0-7]+)$/i.test(text.trim().replace(/[_'](?=[0-9a-f])/gi, ''));
