# Port input and output in assembly. The scratch register of the serial port keeps what is written to it: a harmless place to try.

        .set    SCRATCH, 0x3ff

        .text
        .globl  exchange_port
        .type   exchange_port, @function
exchange_port:                          # AL = exchange_port(DIL)
        .cfi_startproc
        movl    %edi, %eax
        movw    $SCRATCH, %dx
        outb    %al, %dx
        xorl    %eax, %eax              # so that what is read cannot be what was left over
        inb     %dx, %al
        ret
        .cfi_endproc
        .size   exchange_port, . - exchange_port

        .section .note.GNU-stack, "", @progbits
