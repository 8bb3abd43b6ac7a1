// The sentence that the levels write together into the guest's CPUID answer: four bytes of text in each of the registers.

const order = ['rax', 'rbx', 'rcx', 'rdx'];

/** Reads registers (name to value as text with 0x) as characters, least significant byte first; zero bytes are left out. */
export function sentenceOf(registers: ReadonlyMap<string, string>): string {
  const bytes = order.flatMap(name => {
    const value = BigInt(/0x[0-9a-f]+|\d+/i.exec(registers.get(name) ?? '0')?.[0] ?? 0);
    return [0, 8, 16, 24].map(shift => Number(value >> BigInt(shift) & 0xffn));
  });
  return String.fromCharCode(...bytes.filter(byte => byte !== 0)).trim();
}
