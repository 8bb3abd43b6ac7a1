// The stack that starts when a launch names no program: copies of the recursive hypervisor, each the guest of the one before, and on top a
// guest that executes CPUID in a loop. All are files of the extension.
import { hypervisorOptions, type Strategy } from '../model/strategies';

const hypervisor = 'extension:/guests/images/hypervisor.elf', guest = 'extension:/guests/images/guest.elf';

interface StackFile { readonly path: string; readonly role: string; readonly name: string; readonly commandLine?: string }

/** Above so many hypervisors each exit of the guest costs tens of thousands of exits, unless VMREADs, VMWRITEs and VMRESUMEs are saved. */
const mostNaive = 5;

/** What a stack of so many follows unless said otherwise: the ancestor's strategy, as far as it goes. */
export const usualStrategy = (hypervisors: number): Strategy => hypervisors > mostNaive ? 'both' : 'naive';

export interface Demonstration {
  /** 3 unless said otherwise. */
  readonly hypervisors?: number;
  readonly strategy?: Strategy;
  /** Further options of the hypervisor. */
  readonly commandLine?: string;
}

/** Files of a stack of hypervisors and the guest, in the order of the levels. Each hypervisor hands its options on to the next. */
export function demonstrationStack({ hypervisors = 3, strategy = usualStrategy(hypervisors), commandLine = '' }: Demonstration = {}): {
  readonly program: StackFile; readonly modules: readonly StackFile[];
} {
  const levels = Array.from({ length: hypervisors }, (_, level): StackFile => ({ path: hypervisor, role: `hypervisor of level ${level}`, name: 'hypervisor' }));
  return {
    program: { ...levels[0], commandLine: `${hypervisorOptions[strategy]} ${commandLine}`.trim() },
    modules: [...levels.slice(1), { path: guest, role: 'guest', name: 'guest' }],
  };
}
