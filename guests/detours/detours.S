# Instructions that lead elsewhere before the next one runs, one a line: what a debugger must step over and into. And where they lead.

        .set    APIC_END_OF_INTERRUPT, 0xfee000b0

        .macro  routine name
        .globl  \name
        .type   \name, @function
\name:
        .cfi_startproc
        .endm

        .macro  end name
        .cfi_endproc
        .size   \name, . - \name
        .endm

        # entered with RIP, CS, RFLAGS, RSP, SS on the stack, and with an error code below them
        .macro  handler name, error_code = 0
        .balign 16
        .globl  \name
        .type   \name, @function
\name:
        .cfi_startproc simple
        .cfi_signal_frame
        .cfi_def_cfa rsp, 40 + \error_code
        .cfi_offset rip, -40
        .cfi_offset rsp, -16
        .endm

        .text
routine fault_and_be_repaired
        ud2                             # the handler goes on behind it
        nop
        ud2
        ret
end fault_and_be_repaired

routine read_missing_msr
        movl    $0x4abe0bad, %ecx
        rdmsr                           # #GP, from the processor or from a hypervisor
        ret
end read_missing_msr

routine read_byte                       # AL = read_byte(RDI); 0 where a hypervisor forbids it
        xorl    %eax, %eax
        movb    (%rdi), %al             # two bytes, as every instruction that repair_fault repairs
        ret
end read_byte

routine interrupt_itself
        int     $0x40
        int3
        ret
end interrupt_itself

routine call_far
        rex64 lcall *(%rdi)
        nop
        ret
end call_far

routine call_system
        syscall                         # overwrites RCX and R11
        nop
        ret
end call_system

routine copy                            # copy(RDI, RSI, RDX)
        movq    %rdx, %rcx
        rep movsb
        ret
end copy

routine interrupts_behind_shadows       # the interrupt that the command sends waits for the end of each shadow
        cli
        movl    %esi, (%rdi)
        sti
        nop                             # still in the shadow of STI
        nop
        cli
        movl    %esi, (%rdi)
        movl    %ss, %eax
        sti
        movl    %eax, %ss               # in one shadow, and opens another
        nop
        cli
        ret
end interrupts_behind_shadows

routine be_interrupted                  # an NMI: it comes right after the command
        movl    %esi, (%rdi)
        nop
        ret
end be_interrupted

routine sleep_until_interrupt
        sti
        hlt
        cli
        ret
end sleep_until_interrupt

handler repair_fault
        addq    $2, (%rsp)
        iretq
end repair_fault

handler repair_protection_fault, 8
        addq    $8, %rsp                # the error code
        .cfi_def_cfa rsp, 40
        addq    $2, (%rsp)
        iretq
end repair_protection_fault

handler take_software_interrupt
        call    serve
        iretq
end take_software_interrupt

routine serve
        nop
        ret
end serve

handler end_interrupt
        pushq   %rax
        .cfi_adjust_cfa_offset 8
        movl    $APIC_END_OF_INTERRUPT, %eax
        movl    $0, (%rax)
        popq    %rax
        .cfi_adjust_cfa_offset -8
        iretq
end end_interrupt

handler take_nmi
        nop
        iretq
end take_nmi

routine far_routine                     # beside the return address lies CS
        .cfi_def_cfa rsp, 16
        .cfi_offset rip, -16
        nop
        lretq
end far_routine

routine system_entry                    # RCX = return address, R11 = RFLAGS; the stack is the caller's
        .cfi_def_cfa rsp, 0
        .cfi_register rip, rcx
        pushq   %r11
        .cfi_adjust_cfa_offset 8
        popfq
        .cfi_adjust_cfa_offset -8
        jmpq    *%rcx
end system_entry

        .section .note.GNU-stack, "", @progbits
