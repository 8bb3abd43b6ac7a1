# The inner loops of the round trips, and their handlers. R15 counts down, R14 is the length of the instruction that exits or faults, RDI the
# address that it touches, R13 counts what was handled: neither side saves registers, both know who uses which.

        .set    EXIT_REASON, 0x4402
        .set    GUEST_RIP, 0x681e
        .set    HOST_RSP, 0x6c14
        .set    HOST_RIP, 0x6c16
        .set    REASON_VMCALL, 18

        .macro  save_registers
        pushq   %rbx
        pushq   %rbp
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        .endm
        .macro  restore_registers
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbp
        popq    %rbx
        .endm

        .text
# u64 enter_world(u64 count, u64 length, u64 address): launches the current VMCS and handles exits until the guest's VMCALL.
# Returns the number of exits handled, all ones if the entry failed.
        .globl  enter_world
        .type   enter_world, @function
enter_world:
        save_registers
        movq    %rdi, %r15
        movq    %rsi, %r14
        movq    %rdx, %rdi
        xorl    %r13d, %r13d
        movl    $HOST_RSP, %eax
        vmwrite %rsp, %rax
        leaq    world_handler(%rip), %rdx
        movl    $HOST_RIP, %eax
        vmwrite %rdx, %rax
        vmlaunch
1:      movq    $-1, %rax               # the entry failed
        restore_registers
        ret

        .balign 16
world_handler:
        movl    $EXIT_REASON, %edx
        vmread  %rdx, %rax
        cmpl    $REASON_VMCALL, %eax
        je      2f
        incq    %r13
        movl    $GUEST_RIP, %edx
        vmread  %rdx, %rax
        addq    %r14, %rax
        vmwrite %rax, %rdx
        vmresume
        jmp     1b
2:      movq    %r13, %rax
        restore_registers
        ret
        .size   enter_world, . - enter_world

        .balign 16
        .globl  guest_cpuid
guest_cpuid:
        cpuid
        decq    %r15
        jnz     guest_cpuid
        vmcall

        .balign 16
        .globl  guest_touch
guest_touch:
        movb    $0, (%rdi)
        decq    %r15
        jnz     guest_touch
        vmcall

# u64 touch_often(u64 count, u64 length, u64 address): stores to an address that is not mapped; page_fault_handler skips the store.
        .balign 16
        .globl  touch_often
        .type   touch_often, @function
touch_often:
        save_registers
        movq    %rdi, %r15
        movq    %rsi, %r14
        movq    %rdx, %rdi
        xorl    %r13d, %r13d
1:      movb    $0, (%rdi)
        decq    %r15
        jnz     1b
        movq    %r13, %rax
        restore_registers
        ret
        .size   touch_often, . - touch_often

        .balign 16
        .globl  page_fault_handler
page_fault_handler:
        addq    $8, %rsp                # the error code
        addq    %r14, (%rsp)
        incq    %r13
        iretq

        .section .note.GNU-stack, "", @progbits
