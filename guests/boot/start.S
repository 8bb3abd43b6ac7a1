# Entry of every image: hypervisors and guest alike. The loader, or the hypervisor below, enters here in 64-bit mode at CPL 0 with
# paging on (identity map), interrupts off, EAX = 0x2BADB002 and RBX = the address of a Multiboot 1 information structure.
# The stack is the image's own; the debugger's unwinder stops here because the return address is marked as undefined.

        .section .text.start, "ax", @progbits
        .globl  _start
        .type   _start, @function
_start:
        .cfi_startproc
        .cfi_undefined rip
        leaq    boot_stack_top(%rip), %rsp
        xorl    %ebp, %ebp
        cld
        movl    %eax, %r12d             # RBX and R12 survive calls
        call    relocate_image          # absolute addresses in data are right from here on
        call    load_descriptor_tables
        movl    %r12d, %edi
        movq    %rbx, %rsi
        call    start_image             # checks the magic number, then calls main
1:      hlt                             # main returned: nothing is left to do
        jmp     1b
        .cfi_endproc
        .size   _start, . - _start

        .section .bss.stack, "aw", @nobits
        .balign 16
        .skip   16384
boot_stack_top:

        .section .note.GNU-stack, "", @progbits
