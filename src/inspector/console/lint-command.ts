// `lint`: the checks of VM entry that would fail now, for the VMCS that a level believes current or any other.
import type { VariableNode } from '../target/variable-tree';
import { explainEntry, type CheckExplanation } from '../vmcs/entry-explanation';
import type { VmcsSource } from '../vmcs/vmcs-source';
import type { MachineSession } from '../target/machine-session';
import { levelNames, type Answer, type ConsoleCommand } from './command';
import { placeOfWriter } from './vmcs-command';
import { currentVmcs, designatorWords, vmcsNamed } from './vmcs-designator';

export const lint: ConsoleCommand = {
  name: 'lint', usage: 'lint [of L1|12|ADDRESS]', sentence: 'The VM-entry checks that would fail now for the current VMCS of the level in view, or for another VMCS.',
  run(argument, scope) {
    const [, text = ''] = /^(?:of\s+)?(.*)$/is.exec(argument)!, { context } = scope.frame;
    // A guest that is no hypervisor has no VMCS of its own: then the one that runs it.
    const source = text !== '' ? vmcsNamed(text, scope)?.source : context.currentVmcs || context.level === 0 ? currentVmcs(context, scope) : vmcsNamed('', scope)!.source;
    return source && lintOf(source, scope.session);
  },
  complete: scope => [...designatorWords, ...levelNames(scope)],
};

/** The failing checks of a VMCS, each with rule, section, fields and writers. */
export function lintOf(source: VmcsSource, session: MachineSession): Answer {
  const { failing, unknown } = explainEntry(source, { model: session.machine.processor, facts: {} });
  const open = unknown.length === 0 ? '' : ` ${unknown.length === 1 ? 'One check depends' : `${unknown.length} checks depend`} on what is not known here.`;
  const verdict = failing.length === 0 ? 'no check of VM entry would fail.' : failing.length === 1 ? 'one check of VM entry would fail.' : `${failing.length} checks of VM entry would fail.`;
  return {
    text: [`${source.title}: ${verdict}${open}`, ...failing.flatMap(each => checkLines(session, each))].join('\n'),
    ...failing.length + unknown.length > 0 && {
      children: () => [
        ...failing.map(each => checkNode(session, each)),
        ...unknown.length > 0 ? [{ name: 'Not known', value: `${unknown.length} checks`, children: () => unknown.map(each => checkNode(session, each)) }] : [],
      ],
    },
  };
}

export function checkLines(session: MachineSession, { id, section, rule, hint, fields }: CheckExplanation): string[] {
  return [`- ${rule}`, `    check ${id}, ${section}`, ...hint === '' ? [] : [`    ${hint}`], ...fields.map(field => `    ${field.id} = ${field.text}${writtenBy(session, field)}`)];
}

function writtenBy(session: MachineSession, { writer }: CheckExplanation['fields'][number]): string {
  return writer ? `, last ${writer.by === 'write' ? 'written' : 'read'} by L${writer.level} ${placeOfWriter(session, writer)}` : '';
}

const checkNode = (session: MachineSession, { id, section, rule, hint, fields }: CheckExplanation): VariableNode => ({
  name: id, value: rule, type: `${section}${hint === '' ? '' : `: ${hint}`}`,
  children: () => fields.map(field => ({ name: field.id, value: `${field.text}${writtenBy(session, field)}`, fixed: 'set it in the VMCS' })),
});
