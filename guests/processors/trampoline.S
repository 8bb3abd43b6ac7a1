# Where a start-up IPI sends a processor: real-address mode, CS = the page's segment, RIP = 0. The code is copied to that page, so it
# reaches its own data relative to the page and everything else by what the image has written there. It goes straight from
# real-address mode to 64-bit mode (CR4.PAE, CR3, EFER.LME, then PE and PG at once), takes a number, and with it a stack.

        .set    PAGE, 0x8000            # TRAMPOLINE in processors.h

        .section .rodata
        .code16
        .globl  trampoline
trampoline:
        cli
        movw    %cs, %ax
        movw    %ax, %ds
        movl    $0x20, %eax             # PAE
        movl    %eax, %cr4
        movl    (trampoline_cr3 - trampoline), %eax
        movl    %eax, %cr3
        movl    $0xc0000080, %ecx       # IA32_EFER
        rdmsr
        orl     $0x100, %eax            # LME
        wrmsr
        lgdtl   (trampoline_gdtr - trampoline)
        movl    $0x80000031, %eax       # PG, NE, ET, PE
        movl    %eax, %cr0
        ljmpl   $8, $(PAGE + (in_64_bits - trampoline))
        .code64
in_64_bits:
        movl    $16, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    $1, %edi
        lock xaddl %edi, trampoline_next(%rip)
        movq    trampoline_stacks(%rip), %rsp
        movl    %edi, %eax
        shlq    $13, %rax               # STACK_SIZE in processors.c
        leaq    8192(%rsp,%rax), %rsp
        xorl    %ebp, %ebp
        callq   *trampoline_entry(%rip)
1:      hlt
        jmp     1b

        .balign 8
        .globl  trampoline_cr3, trampoline_gdtr, trampoline_next, trampoline_stacks, trampoline_entry, trampoline_end
trampoline_cr3: .quad   0
trampoline_entry: .quad 0
trampoline_stacks: .quad 0
trampoline_next: .long  0
trampoline_gdtr: .word  0
        .long   0
trampoline_end:

        .section .note.GNU-stack, "", @progbits
