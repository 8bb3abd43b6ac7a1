# The border between worlds. An exit comes to exit_entry with the guest's general registers still in place: they are saved, C decides what to
# do, they are restored, and VMRESUME (or the first time VMLAUNCH) goes back. Whoever runs next finds the registers as they are in the frame:
# that is how they pass from one level to another without being copied.

        .macro  save_registers          # in memory as struct guest_registers says; the guest's RSP is in the VMCS
        .irp    register, r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rsp, rbx, rdx, rcx, rax
        pushq   %\register
        .cfi_adjust_cfa_offset 8
        .endr
        .endm

        .macro  restore_registers       # POP leaves the flags alone
        .irp    register, rax, rcx, rdx, rbx, rbp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
        popq    %\register              # the place of RSP is popped into RBP, which the next POP corrects
        .cfi_adjust_cfa_offset -8
        .endr
        .endm

        .text
        .globl  enter_guest_first
        .type   enter_guest_first, @function
enter_guest_first:
        .cfi_startproc
        .cfi_undefined rip
        leaq    exit_registers(%rip), %rsp
        orb     $1, %al                 # not zero: use VMLAUNCH
        jmp     enter
        .cfi_endproc
        .size   enter_guest_first, . - enter_guest_first

        .globl  exit_entry
        .type   exit_entry, @function
exit_entry:                             # RSP is at the end of exit_registers
        .cfi_startproc
        .cfi_def_cfa rsp, 0
        .cfi_undefined rip
        save_registers
        movq    %rsp, %rdi
        call    handle_exit
enter:                                  # AL: 0 = VMRESUME, else VMLAUNCH
        testb   %al, %al
        restore_registers
        jnz     1f
        vmresume
        jmp     2f
1:      vmlaunch
2:      save_registers                  # still here: the processor refused the entry, the registers are the guest's
        movq    %rsp, %rdi
        call    entry_refused
        jmp     enter
        .cfi_endproc
        .size   exit_entry, . - exit_entry

        .section .bss.stack, "aw", @nobits
        .balign 16
        .skip   16384
        .globl  exit_registers
exit_registers:
        .skip   128

        .section .note.GNU-stack, "", @progbits
