// Emulation of the VMX instructions that a guest hypervisor executes.
#pragma once

#include "hypervisor.h"

/** Handles an exit whose reason is a VMX instruction. */
void emulate_vmx_instruction(u32 reason, struct guest_registers *registers);

/** The guest's VMX instruction is over: sets its flags as SDM 3C 31.2 'Conventions' says and continues after it. */
void finish_vmx_instruction(enum vmx_result result, enum vm_instruction_error error);
