# bool enter_guest(struct general_registers *registers, bool launched): to the caller, running the guest is a call that takes long.

        .set    HOST_RSP, 0x6c14

        .text
        .globl  enter_guest
        .type   enter_guest, @function
enter_guest:
        .cfi_startproc
        .irp    register, rbx, rbp, r12, r13, r14, r15, rdi
        pushq   %\register
        .cfi_adjust_cfa_offset 8
        .endr
        .cfi_offset rbx, -16
        .cfi_offset rbp, -24
        .cfi_offset r12, -32
        .cfi_offset r13, -40
        .cfi_offset r14, -48
        .cfi_offset r15, -56
        movl    $HOST_RSP, %eax
        vmwrite %rsp, %rax              # the exit finds the stack as it is now
        testb   %sil, %sil              # MOV leaves the flags alone: decided here, used below

        movq    0x00(%rdi), %rax
        movq    0x08(%rdi), %rcx
        movq    0x10(%rdi), %rdx
        movq    0x18(%rdi), %rbx
        movq    0x28(%rdi), %rbp
        movq    0x30(%rdi), %rsi
        movq    0x40(%rdi), %r8
        movq    0x48(%rdi), %r9
        movq    0x50(%rdi), %r10
        movq    0x58(%rdi), %r11
        movq    0x60(%rdi), %r12
        movq    0x68(%rdi), %r13
        movq    0x70(%rdi), %r14
        movq    0x78(%rdi), %r15
        movq    0x38(%rdi), %rdi
        jnz     1f
        vmlaunch
        jmp     2f
1:      vmresume
2:      xorl    %eax, %eax              # still here: refused
        jmp     3f

        .globl  guest_exited
guest_exited:                           # HOST_RIP
        xchgq   %rdi, (%rsp)            # RDI = registers; the guest's RDI waits on the stack
        movq    %rax, 0x00(%rdi)
        movq    %rcx, 0x08(%rdi)
        movq    %rdx, 0x10(%rdi)
        movq    %rbx, 0x18(%rdi)
        movq    %rbp, 0x28(%rdi)
        movq    %rsi, 0x30(%rdi)
        movq    %r8, 0x40(%rdi)
        movq    %r9, 0x48(%rdi)
        movq    %r10, 0x50(%rdi)
        movq    %r11, 0x58(%rdi)
        movq    %r12, 0x60(%rdi)
        movq    %r13, 0x68(%rdi)
        movq    %r14, 0x70(%rdi)
        movq    %r15, 0x78(%rdi)
        movq    (%rsp), %rax
        movq    %rax, 0x38(%rdi)
        movl    $1, %eax

3:      addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        .irp    register, r15, r14, r13, r12, rbp, rbx
        popq    %\register
        .cfi_adjust_cfa_offset -8
        .cfi_restore \register
        .endr
        ret
        .cfi_endproc
        .size   enter_guest, . - enter_guest

        .section .note.GNU-stack, "", @progbits
