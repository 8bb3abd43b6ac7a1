// The stack that starts when a launch names no program: copies of the recursive hypervisor, each the guest of the one before, and on top a
// guest that executes CPUID in a loop. All are files of the extension.

const hypervisor = 'extension:/guests/images/hypervisor.elf', guest = 'extension:/guests/images/guest.elf';

interface StackFile { readonly path: string; readonly role: string; readonly name: string; readonly commandLine?: string }

/** Files of a stack of so many hypervisors (3 unless said otherwise) and the guest, in the order of the levels. */
export function demonstrationStack(hypervisors = 3): { readonly program: StackFile; readonly modules: readonly StackFile[] } {
  const levels = Array.from({ length: hypervisors }, (_, level): StackFile => ({ path: hypervisor, role: `hypervisor of level ${level}`, name: 'hypervisor' }));
  return { program: levels[0], modules: [...levels.slice(1), { path: guest, role: 'guest', name: 'guest' }] };
}
