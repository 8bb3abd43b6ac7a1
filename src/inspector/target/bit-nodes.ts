// The named bits of a value as nodes, each settable where the whole is.
import { decodeBits, type DecodedBits, type LayoutName } from '../../spec/bit-layouts';
import { bitSetterOf, type Settable, type VariableNode } from './variable-tree';

/** Children for a value with a layout; `whole` where the value can be set, and is read anew. */
export function bitNodes(layout: LayoutName, value: bigint, whole?: Settable): VariableNode[] { return decodeBits(layout, whole?.read() ?? value).map(bits => bitNode(bits, whole)); }

export function bitNode({ name, id, bits, value, text, meaning }: DecodedBits, whole?: Settable): VariableNode {
  const [high, low] = bits, shown = high === low ? String(value) : `0x${value.toString(16)}`;
  return {
    name: id, value: text === undefined ? shown : `${shown} ${text}`,
    type: `${name} (bit${high === low ? ` ${low}` : `s ${high}:${low}`})${meaning === '' ? '' : `: ${meaning}`}`,
    ...whole && id !== 'reserved' ? { set: bitSetterOf(id, bits, whole) } : { fixed: whole ? 'reserved bits are set with the whole' : 'the value that it is a part of cannot be set' },
  };
}
