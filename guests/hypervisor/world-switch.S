# The border between worlds, as one function. enter_guest looks like a call: C calls it, the guest runs, and when an exit comes it returns.
# The general registers of the guest are loaded before and saved after; the rest of its state is in the VMCS. Whoever runs next finds the
# general registers as they were left: that is how they pass from one level to another without being copied. For the same reason nothing
# that C has in a register survives the call, and C is told so (hypervisor.h).

        .macro  load_guest_registers    # from struct guest_registers; RSP's place, 32, is not used
        movq    guest_registers+0(%rip), %rax
        movq    guest_registers+8(%rip), %rcx
        movq    guest_registers+16(%rip), %rdx
        movq    guest_registers+24(%rip), %rbx
        movq    guest_registers+40(%rip), %rbp
        movq    guest_registers+48(%rip), %rsi
        movq    guest_registers+56(%rip), %rdi
        movq    guest_registers+64(%rip), %r8
        movq    guest_registers+72(%rip), %r9
        movq    guest_registers+80(%rip), %r10
        movq    guest_registers+88(%rip), %r11
        movq    guest_registers+96(%rip), %r12
        movq    guest_registers+104(%rip), %r13
        movq    guest_registers+112(%rip), %r14
        movq    guest_registers+120(%rip), %r15
        .endm

        .text

# RAX = enter_guest(enum entry_kind in EAX): 1 = an exit came, 0 = the processor refused the entry.
# The third kind enters nothing and returns the stack pointer that the host has at exits: C writes it into the VMCS once, because
# enter_guest is always called from the same frame.
        .globl  enter_guest
        .type   enter_guest, @function
enter_guest:
        .cfi_startproc
        .cfi_undefined rbx
        .cfi_undefined rbp
        .cfi_undefined r12
        .cfi_undefined r13
        .cfi_undefined r14
        .cfi_undefined r15
        testl   %eax, %eax
        jnz     1f
        load_guest_registers
        vmresume
        xorl    %eax, %eax              # still here: refused
        ret
1:      cmpl    $1, %eax                # equal: VMLAUNCH, above: only the stack pointer
        ja      2f
        load_guest_registers
        vmlaunch
        xorl    %eax, %eax
        ret
2:      movq    %rsp, %rax
        ret

        .globl  exit_entry
exit_entry:                             # an exit continues here, with RSP as it was at the entry
        movq    %rax, guest_registers+0(%rip)
        movq    %rcx, guest_registers+8(%rip)
        movq    %rdx, guest_registers+16(%rip)
        movq    %rbx, guest_registers+24(%rip)
        movq    %rbp, guest_registers+40(%rip)
        movq    %rsi, guest_registers+48(%rip)
        movq    %rdi, guest_registers+56(%rip)
        movq    %r8, guest_registers+64(%rip)
        movq    %r9, guest_registers+72(%rip)
        movq    %r10, guest_registers+80(%rip)
        movq    %r11, guest_registers+88(%rip)
        movq    %r12, guest_registers+96(%rip)
        movq    %r13, guest_registers+104(%rip)
        movq    %r14, guest_registers+112(%rip)
        movq    %r15, guest_registers+120(%rip)
        movl    $1, %eax
        ret
        .cfi_endproc
        .size   enter_guest, . - enter_guest

        .section .note.GNU-stack, "", @progbits
