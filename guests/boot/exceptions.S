# One stub per exception vector, and the table from which the IDT is filled. No image expects an exception: whatever arrives is
# reported on the serial port and ends the run. Vectors without an error code push a zero, so that all frames look the same.

        .macro  stub vector
        .if     (\vector == 8) || (\vector >= 10 && \vector <= 14) || (\vector == 17) || (\vector == 21) || (\vector >= 29 && \vector <= 30)
        .else
        pushq   $0
        .endif
        pushq   $\vector
        jmp     exception
        .balign 16
        .endm

        .text
        .balign 16
        .globl  exception_stubs
exception_stubs:
        .altmacro
        .set    vector, 0
        .rept   32
        stub    %vector
        .set    vector, vector + 1
        .endr

        .type   exception, @function
exception:
        .cfi_startproc simple
        .cfi_signal_frame
        .cfi_def_cfa rsp, 56            # vector, error code, RIP, CS, RFLAGS, RSP, SS
        .cfi_offset rip, -40
        .cfi_offset rsp, -16
        movq    %rsp, %rdi
        movq    %rsp, %rbx
        andq    $-16, %rsp
        .cfi_def_cfa rbx, 56
        call    unexpected_exception    # does not return
        hlt
        .cfi_endproc
        .size   exception, . - exception

        .section .note.GNU-stack, "", @progbits
