# Entering the wanderer's guests, and the code that both of them run: instructions that exit, one after the other. The guests share the general
# registers with the host; what they leave there is of no use to it.

        .set    HOST_RSP, 0x6c14
        .set    MSR_LEVEL, 0x4abe0000

        .text
        .globl  enter
        .type   enter, @function
enter:                                  # enum vmx_result enter(bool launch)
        .cfi_startproc
        .irp    register, rbx, rbp, r12, r13, r14, r15
        pushq   %\register
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset \register, 0
        .endr
        movl    $HOST_RSP, %eax
        vmwrite %rsp, %rax
        testb   %dil, %dil
        jnz     1f
        vmresume
        jmp     2f
1:      vmlaunch
2:      setc    %al                     # still here: VMfailInvalid is 2, VMfailValid 1
        setz    %cl
        movzbl  %al, %eax
        movzbl  %cl, %ecx
        leal    (%rcx, %rax, 2), %eax
        jmp     3f

        .globl  exited
exited:
        xorl    %eax, %eax
3:
        .irp    register, r15, r14, r13, r12, rbp, rbx
        popq    %\register
        .cfi_adjust_cfa_offset -8
        .cfi_restore \register
        .endr
        ret
        .cfi_endproc
        .size   enter, . - enter

        .globl  inner_guest
        .type   inner_guest, @function
inner_guest:
        .cfi_startproc
        .cfi_undefined rip
1:      xorl    %eax, %eax
        cpuid
        movl    $1, %ebx
        vmcall
        movl    $MSR_LEVEL, %ecx
        rdmsr
        wrmsr
        addq    $8, %rsp
        sti
        cli
        vmresume                        # its hypervisor is asked; it has none
        jmp     1b
        .cfi_endproc
        .size   inner_guest, . - inner_guest

        .section .note.GNU-stack, "", @progbits
