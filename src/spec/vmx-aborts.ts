/** VMX aborts: an exit that cannot be completed writes one of these numbers into the VMCS region, and the processor shuts down (SDM 3C 28.7 'VMX Aborts'). */
const vmxAborts: Readonly<Record<number, string>> = {
  1: 'a guest MSR could not be saved to the VM-exit MSR-store area',
  2: 'a page-directory-pointer-table entry of the host is invalid',
  3: 'the current VMCS was corrupted',
  4: 'a host MSR could not be loaded from the VM-exit MSR-load area',
  5: 'a machine check occurred during the exit',
  6: 'the guest ran in IA-32e mode, and the exit would have gone to a host that is not in 64-bit mode',
};

/** Why the exit of a VMX abort could not be completed. */
export const vmxAbortReason = (number: number): string => vmxAborts[number] ?? 'for a reason that the manual does not name';
