# The border between worlds, as one function. enter_guest looks like a call: C calls it, the guest runs, and when an exit comes it returns.
# The general registers of the guest are loaded before and saved after; the rest of its state is in the VMCS. Whoever runs next finds the
# general registers as they were left: that is how they pass from one level to another without being copied.

        .set    FROM_RDI, 56            # place of RDI in struct guest_registers; RSP's place, 32, is not used

        .macro  preserve register
        pushq   %\register
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset \register, 0
        .endm

        .macro  restore register
        popq    %\register
        .cfi_adjust_cfa_offset -8
        .cfi_restore \register
        .endm

        .text

# u64 enter_guest(struct guest_registers *, enum entry_kind): 1 = an exit came, 0 = the processor refused the entry.
# The third kind enters nothing and returns the stack pointer that the host has at exits: C writes it into the VMCS once, because
# enter_guest is always called from the same frame.
        .globl  enter_guest
        .type   enter_guest, @function
enter_guest:
        .cfi_startproc
        preserve rbx
        preserve rbp
        preserve r12
        preserve r13
        preserve r14
        preserve r15
        preserve rdi
        movq    %rsp, %rax
        cmpl    $1, %esi                # below: VMRESUME, equal: VMLAUNCH, above: only the stack pointer
        ja      2f
        movq    0(%rdi), %rax           # MOV leaves the flags alone
        movq    8(%rdi), %rcx
        movq    16(%rdi), %rdx
        movq    24(%rdi), %rbx
        movq    40(%rdi), %rbp
        movq    48(%rdi), %rsi
        movq    64(%rdi), %r8
        movq    72(%rdi), %r9
        movq    80(%rdi), %r10
        movq    88(%rdi), %r11
        movq    96(%rdi), %r12
        movq    104(%rdi), %r13
        movq    112(%rdi), %r14
        movq    120(%rdi), %r15
        movq    FROM_RDI(%rdi), %rdi
        je      1f
        vmresume
        xorl    %eax, %eax              # still here: refused
        jmp     2f
1:      vmlaunch
        xorl    %eax, %eax
        jmp     2f

        .globl  exit_entry
exit_entry:                             # an exit continues here, with RSP as it was at the entry
        xchgq   %rdi, (%rsp)
        movq    %rax, 0(%rdi)
        movq    %rcx, 8(%rdi)
        movq    %rdx, 16(%rdi)
        movq    %rbx, 24(%rdi)
        movq    %rbp, 40(%rdi)
        movq    %rsi, 48(%rdi)
        movq    %r8, 64(%rdi)
        movq    %r9, 72(%rdi)
        movq    %r10, 80(%rdi)
        movq    %r11, 88(%rdi)
        movq    %r12, 96(%rdi)
        movq    %r13, 104(%rdi)
        movq    %r14, 112(%rdi)
        movq    %r15, 120(%rdi)
        movq    (%rsp), %rax            # the guest's RDI
        movq    %rax, FROM_RDI(%rdi)
        movl    $1, %eax

2:      restore rdi
        restore r15
        restore r14
        restore r13
        restore r12
        restore rbp
        restore rbx
        ret
        .cfi_endproc
        .size   enter_guest, . - enter_guest

        .section .note.GNU-stack, "", @progbits
