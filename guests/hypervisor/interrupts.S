# One stub per vector from 32 on: C notes the vector (interrupts.c), and what was interrupted goes on. That is always interrupts_before_entry.

        .macro  stub vector
        pushq   $\vector
        jmp     interrupt
        .balign 16
        .endm

        .text
        .balign 16
        .globl  interrupt_stubs
interrupt_stubs:
        .altmacro
        .set    vector, 32
        .rept   224
        stub    %vector
        .set    vector, vector + 1
        .endr

        .type   interrupt, @function
interrupt:
        .cfi_startproc simple
        .cfi_signal_frame
        .cfi_def_cfa rsp, 48            # vector, RIP, CS, RFLAGS, RSP, SS
        .cfi_offset rip, -40
        .cfi_offset rsp, -16
        .irp    register, rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11
        pushq   %\register
        .cfi_adjust_cfa_offset 8
        .endr
        movq    72(%rsp), %rdi          # the vector
        subq    $8, %rsp                # the call wants a multiple of 16
        .cfi_adjust_cfa_offset 8
        call    capture_interrupt
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        .irp    register, r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax
        popq    %\register
        .cfi_adjust_cfa_offset -8
        .endr
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        iretq
        .cfi_endproc
        .size   interrupt, . - interrupt

        .section .note.GNU-stack, "", @progbits
