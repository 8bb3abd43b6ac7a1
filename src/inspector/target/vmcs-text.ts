// A VMCS as text, a line for each field that exists: two such texts can be compared line by line.
import type { ProcessorModel } from '../../spec/processor-models';
import type { VmcsSource } from '../vmcs/vmcs-source';
import { viewVmcs } from '../vmcs/vmcs-view';

export function vmcsText(source: VmcsSource, model: ProcessorModel): string {
  const lines = viewVmcs(source, model).flatMap(({ name, fields }) => ['', `# ${name}`, ...fields.map(({ id, text }) => `${id} = ${text}`)]);
  return `${lines.slice(1).join('\n')}\n`;
}
