// The strategies of a recursive hypervisor, as the model distinguishes them.
//
// - naive: every exit of l_x is delivered through l_0 .. l_(x-1); a VMRESUME by l_y is an exit of l_y and propagates likewise.
// - no-propagation: l_0 answers a VMRESUME by itself, whatever level executes it.
// - shadowing: VMREAD and VMWRITE of a guest hypervisor do not exit (VMCS shadowing, ideal: no exiting operation is left).
// - both: the two together.

export const strategies = ['naive', 'no-propagation', 'shadowing', 'both'] as const;
export type Strategy = (typeof strategies)[number];

/** The words on the command line of the lowest hypervisor that make the whole stack follow a strategy. */
export const hypervisorOptions: Readonly<Record<Strategy, string>> = {
  naive: '', 'no-propagation': 'no-propagation=on', shadowing: 'shadowing=on', both: 'shadowing=on no-propagation=on',
};

/** VMRESUME by a guest hypervisor is propagated through the levels below it. */
export const propagatesResume = (strategy: Strategy): boolean => strategy === 'naive' || strategy === 'shadowing';
/** Accesses to the VMCS exit. */
export const accessesExit = (strategy: Strategy): boolean => strategy === 'naive' || strategy === 'no-propagation';
