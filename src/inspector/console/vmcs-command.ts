// `vmcs`: fields of a VMCS, decoded, with who wrote them; a field, a group or all of it.
import { vmcsFieldById, vmcsFields, type VmcsField, type VmcsFieldId } from '../../spec/vmcs-fields';
import { fieldNode, vmcsNode } from '../target/vmcs-nodes';
import { symbolAt, type MachineSession } from '../target/machine-session';
import { fieldsByGroup, vmcsGroupNames, type VmcsGroupId } from '../vmcs/field-groups';
import { viewField, viewGroup, viewVmcs, type FieldView } from '../vmcs/vmcs-view';
import { columns, hex, levelNames, type Answer, type ConsoleCommand } from './command';
import { designatorWords, vmcsNamed, type NamedVmcs } from './vmcs-designator';

const plain = (text: string): string => text.toLowerCase().replace(/[^a-z0-9]/g, '');

export const vmcs: ConsoleCommand = {
  name: 'vmcs', usage: 'vmcs [FIELD|GROUP] [of L2|12|current L1|ADDRESS]',
  sentence: 'Fields of a VMCS: of the one that controls a level (02 for L2), of the one that a level keeps for another (12), or of the one that a level believes current.',
  run(argument, scope) {
    const [, what = '', of] = /^(.*?)\s*(?:\bof\s+(.+))?$/is.exec(argument)!, fields = what === '' ? [] : fieldsNamed(what), groups = what === '' ? [] : groupsNamed(what);
    const whole = of === undefined && what !== '' && fields.length === 0 && groups.length === 0 ? vmcsNamed(what, scope) : undefined;
    if (whole) return showAll(whole, scope.session);
    if (what !== '' && fields.length === 0 && groups.length === 0) return undefined;
    const named = vmcsNamed(of ?? '', scope);
    if (!named) return undefined;
    if (what === '') return showAll(named, scope.session);
    return groups.length > 0 ? showGroups(named, groups, scope.session) : showFields(named, fields, scope.session);
  },
  complete: scope => [...Object.keys(vmcsGroupNames), ...designatorWords, ...levelNames(scope), ...vmcsFields.map(({ id }) => id)],
};

/** The field of that name or encoding, else those whose name has the word in it. */
function fieldsNamed(text: string): VmcsField[] {
  const id = text.toUpperCase(), exact = vmcsFields.find(field => field.id === id || hex(field.encoding) === text.toLowerCase());
  if (exact) return [exact];
  return /^[a-z0-9_]+$/i.test(text) ? vmcsFields.filter(field => `_${field.id}_`.includes(`_${id}_`)) : [];
}

const groupsNamed = (text: string): VmcsGroupId[] => (Object.keys(vmcsGroupNames) as VmcsGroupId[]).filter(id => plain(id) === plain(text) || plain(vmcsGroupNames[id]).startsWith(plain(text)));

function showAll({ source, since }: NamedVmcs, { format, machine: { processor } }: MachineSession): Answer {
  const groups = viewVmcs(source, processor, since), fields = groups.flatMap(group => group.fields), changed = fields.filter(field => field.changed);
  const rows = groups.map(group => [`  ${group.name}`, `${group.fields.filter(({ known, inUse }) => inUse && known !== 'unknown').length} of ${group.fields.length} fields known and in use`]);
  const marks = changed.length === 0 ? [] : [`  changed since the stop before: ${changed.map(({ id }) => id).join(', ')}`];
  return { text: [source.title, columns(rows), ...marks].join('\n'), children: () => vmcsNode(source, { model: processor, format, ...since && { since } }).children!() };
}

function showGroups({ source, since }: NamedVmcs, ids: readonly VmcsGroupId[], { format, machine: { processor } }: MachineSession): Answer {
  const groups = ids.filter(id => fieldsByGroup.has(id)).map(id => viewGroup(source, id, processor, since));
  const lines = groups.flatMap(({ name, fields }) => [`${name} (${source.title})`, columns(fields.filter(({ inUse }) => inUse).map(fieldRow), '  ')]);
  return { text: lines.join('\n'), children: () => groups.flatMap(({ fields }) => fields.map(field => fieldNode(field, source, { format }))) };
}

const fieldRow = ({ id, text, changed, known }: FieldView): string[] => [id, `${text}${changed ? '  (changed)' : ''}${known === 'outdated' ? '  (before the guest last ran)' : ''}`];

function showFields({ source, since }: NamedVmcs, fields: readonly VmcsField[], session: MachineSession): Answer {
  const views = fields.map(field => viewField(source, vmcsFieldById(field.id as VmcsFieldId), session.machine.processor, since)), [only] = views;
  if (views.length > 1) return { text: columns(views.map(fieldRow)), children: () => views.map(field => fieldNode(field, source, session)) };
  const node = fieldNode(only, source, session), lines = [`${only.id} = ${node.value}`, `${only.name}, ${only.bits} bits, encoding ${hex(only.encoding)}, of the ${source.title}`];
  if (!only.exists) lines.push('This processor does not have the field.');
  else if (!only.inUse) lines.push('No control in force makes the processor look at it.');
  if (only.writer) lines.push(`Last ${only.writer.by === 'write' ? 'written' : 'read'} by L${only.writer.level} ${placeOfWriter(session, only.writer)}`);
  return { text: lines.join('\n'), ...node.children && { children: () => node.children!() }, ...node.memory !== undefined && { memory: node.memory } };
}

/** `in run_guest (main.c:40)`, or the address. */
export function placeOfWriter({ tracker, images }: MachineSession, { context, rip }: { readonly context: number; readonly rip: bigint }): string {
  const owner = tracker.context(context), place = owner && symbolAt(images, owner, rip);
  return place?.symbol === undefined ? `at ${hex(rip)}` : `in ${place.symbol}${place.source === undefined ? '' : ` (${place.source.replace(/^.*\//, '')}:${place.line})`}`;
}
