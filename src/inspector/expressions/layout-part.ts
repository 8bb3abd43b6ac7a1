// `cr0.pg`: a part of a value by its name in the layout or in the manual, in any case and without its punctuation.
import { layoutFields, type LayoutName } from '../../spec/bit-layouts';

const plain = (text: string): string => text.toLowerCase().replace(/[^a-z0-9]/g, '');

/** Undefined when there is no such part. */
export function layoutPart(layout: LayoutName | undefined, name: string): ReturnType<typeof layoutFields>[number] | undefined {
  return layout && layoutFields(layout).find(each => plain(each.id) === plain(name) || plain(each.name) === plain(name));
}
