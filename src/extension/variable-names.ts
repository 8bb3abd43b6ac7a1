// What the names say that the adapter gives values (`evaluateName`), and the ids that the editor gives threads. No editor import: tested as data.

/** The VMCS that a value belongs to, as commands name it: `vmcs@0x2bc000.GUEST_RIP` is of `0x2bc000`, `L1.vmcs@0x68d000` of `L1:0x68d000`, `L3.vmcs.GUEST_RIP` of `L3`. */
export function designatorOf(evaluateName: string): string | undefined {
  const [, level, digits] = /^(?:L(\d+)\.)?vmcs(?:@(0x[0-9a-f]+))?(?:\.|$)/i.exec(evaluateName) ?? [];
  if (digits !== undefined) return level === undefined ? digits : `L${level}:${digits}`;
  return level === undefined ? undefined : `L${level}`;
}

/** The editor's id of a thread (`thread:<session>:<id>`) to ours. */
export function threadNumber(id: string | number | undefined): number | undefined {
  const [, digits] = /(\d+)$/.exec(String(id ?? '')) ?? [];
  return digits === undefined ? undefined : Number(digits);
}
