# The timer interrupt: saves what C may change, and goes on.

        .text
        .globl  timer_interrupt
        .type   timer_interrupt, @function
timer_interrupt:
        .cfi_startproc simple
        .cfi_signal_frame
        .cfi_def_cfa rsp, 40            # RIP, CS, RFLAGS, RSP, SS
        .cfi_offset rip, -40
        .cfi_offset rsp, -16
        .irp    register, rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11
        pushq   %\register
        .cfi_adjust_cfa_offset 8
        .endr
        call    count_timer_interrupt
        .irp    register, r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax
        popq    %\register
        .cfi_adjust_cfa_offset -8
        .endr
        iretq
        .cfi_endproc
        .size   timer_interrupt, . - timer_interrupt

        .section .note.GNU-stack, "", @progbits
