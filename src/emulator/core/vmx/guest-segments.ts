// Segment registers between the guest-state area and the processor: SDM 3C 27.3.2.2 'Loading Guest Segment Registers and
// Descriptor-Table Registers', 28.3.2 'Saving Segment Registers and Descriptor-Table Registers'. Straight loads and stores.
import {
  CPU_CPL, CPU_GDTR_BASE, CPU_GDTR_LIMIT, CPU_IDTR_BASE, CPU_IDTR_LIMIT, CPU_SEG_BASE, CPU_SEG_LIMIT, CPU_SEG_RIGHTS, CPU_SEG_SELECTOR,
} from '../generated/layout';
import {
  VMCS_GUEST_CS_ACCESS_RIGHTS, VMCS_GUEST_CS_BASE, VMCS_GUEST_CS_LIMIT, VMCS_GUEST_CS_SELECTOR, VMCS_GUEST_DS_ACCESS_RIGHTS, VMCS_GUEST_DS_BASE, VMCS_GUEST_DS_LIMIT,
  VMCS_GUEST_DS_SELECTOR, VMCS_GUEST_ES_ACCESS_RIGHTS, VMCS_GUEST_ES_BASE, VMCS_GUEST_ES_LIMIT, VMCS_GUEST_ES_SELECTOR, VMCS_GUEST_FS_ACCESS_RIGHTS, VMCS_GUEST_FS_BASE,
  VMCS_GUEST_FS_LIMIT, VMCS_GUEST_FS_SELECTOR, VMCS_GUEST_GDTR_BASE, VMCS_GUEST_GDTR_LIMIT, VMCS_GUEST_GS_ACCESS_RIGHTS, VMCS_GUEST_GS_BASE, VMCS_GUEST_GS_LIMIT,
  VMCS_GUEST_GS_SELECTOR, VMCS_GUEST_IDTR_BASE, VMCS_GUEST_IDTR_LIMIT, VMCS_GUEST_LDTR_ACCESS_RIGHTS, VMCS_GUEST_LDTR_BASE, VMCS_GUEST_LDTR_LIMIT, VMCS_GUEST_LDTR_SELECTOR,
  VMCS_GUEST_SS_ACCESS_RIGHTS, VMCS_GUEST_SS_BASE, VMCS_GUEST_SS_LIMIT, VMCS_GUEST_SS_SELECTOR, VMCS_GUEST_TR_ACCESS_RIGHTS, VMCS_GUEST_TR_BASE, VMCS_GUEST_TR_LIMIT,
  VMCS_GUEST_TR_SELECTOR,
} from '../generated/vmx';
import { CS, DS, ES, FS, GS, LDTR, SS_REG, TR } from '../state';
import { field, field32, setField } from './vmcs';

/** Access rights as they are saved: bits 31:17 and 11:8 are 0. */
@inline const SAVED_RIGHTS: u32 = 0x1f0ff;
@inline const DPL: u32 = 0x60;

@inline function loadSegment(vmcs: usize, i: usize, selector: usize, base: usize, limit: usize, rights: usize): void {
  store<u32>(CPU_SEG_SELECTOR + (i << 2), field32(vmcs, selector));
  store<u64>(CPU_SEG_BASE + (i << 3), field(vmcs, base));
  store<u32>(CPU_SEG_LIMIT + (i << 2), field32(vmcs, limit));
  store<u32>(CPU_SEG_RIGHTS + (i << 2), field32(vmcs, rights));
}

@inline function saveSegment(vmcs: usize, i: usize, selector: usize, base: usize, limit: usize, rights: usize): void {
  setField(vmcs, selector, load<u32>(CPU_SEG_SELECTOR + (i << 2)));
  setField(vmcs, base, load<u64>(CPU_SEG_BASE + (i << 3)));
  setField(vmcs, limit, load<u32>(CPU_SEG_LIMIT + (i << 2)));
  setField(vmcs, rights, load<u32>(CPU_SEG_RIGHTS + (i << 2)) & SAVED_RIGHTS);
}

/** Loads all segment registers, GDTR and IDTR; the CPL is the DPL of SS. */
export function loadGuestSegments(vmcs: usize): void {
  loadSegment(vmcs, ES, VMCS_GUEST_ES_SELECTOR, VMCS_GUEST_ES_BASE, VMCS_GUEST_ES_LIMIT, VMCS_GUEST_ES_ACCESS_RIGHTS);
  loadSegment(vmcs, CS, VMCS_GUEST_CS_SELECTOR, VMCS_GUEST_CS_BASE, VMCS_GUEST_CS_LIMIT, VMCS_GUEST_CS_ACCESS_RIGHTS);
  loadSegment(vmcs, SS_REG, VMCS_GUEST_SS_SELECTOR, VMCS_GUEST_SS_BASE, VMCS_GUEST_SS_LIMIT, VMCS_GUEST_SS_ACCESS_RIGHTS);
  loadSegment(vmcs, DS, VMCS_GUEST_DS_SELECTOR, VMCS_GUEST_DS_BASE, VMCS_GUEST_DS_LIMIT, VMCS_GUEST_DS_ACCESS_RIGHTS);
  loadSegment(vmcs, FS, VMCS_GUEST_FS_SELECTOR, VMCS_GUEST_FS_BASE, VMCS_GUEST_FS_LIMIT, VMCS_GUEST_FS_ACCESS_RIGHTS);
  loadSegment(vmcs, GS, VMCS_GUEST_GS_SELECTOR, VMCS_GUEST_GS_BASE, VMCS_GUEST_GS_LIMIT, VMCS_GUEST_GS_ACCESS_RIGHTS);
  loadSegment(vmcs, LDTR, VMCS_GUEST_LDTR_SELECTOR, VMCS_GUEST_LDTR_BASE, VMCS_GUEST_LDTR_LIMIT, VMCS_GUEST_LDTR_ACCESS_RIGHTS);
  loadSegment(vmcs, TR, VMCS_GUEST_TR_SELECTOR, VMCS_GUEST_TR_BASE, VMCS_GUEST_TR_LIMIT, VMCS_GUEST_TR_ACCESS_RIGHTS);
  store<u64>(CPU_GDTR_BASE, field(vmcs, VMCS_GUEST_GDTR_BASE));
  store<u32>(CPU_GDTR_LIMIT, field32(vmcs, VMCS_GUEST_GDTR_LIMIT));
  store<u64>(CPU_IDTR_BASE, field(vmcs, VMCS_GUEST_IDTR_BASE));
  store<u32>(CPU_IDTR_LIMIT, field32(vmcs, VMCS_GUEST_IDTR_LIMIT));
  store<u32>(CPU_CPL, field32(vmcs, VMCS_GUEST_SS_ACCESS_RIGHTS) >> 5 & 3);
}

/** Saves them; the DPL of SS is the CPL, also where SS is unusable. */
export function saveGuestSegments(vmcs: usize): void {
  saveSegment(vmcs, ES, VMCS_GUEST_ES_SELECTOR, VMCS_GUEST_ES_BASE, VMCS_GUEST_ES_LIMIT, VMCS_GUEST_ES_ACCESS_RIGHTS);
  saveSegment(vmcs, CS, VMCS_GUEST_CS_SELECTOR, VMCS_GUEST_CS_BASE, VMCS_GUEST_CS_LIMIT, VMCS_GUEST_CS_ACCESS_RIGHTS);
  saveSegment(vmcs, SS_REG, VMCS_GUEST_SS_SELECTOR, VMCS_GUEST_SS_BASE, VMCS_GUEST_SS_LIMIT, VMCS_GUEST_SS_ACCESS_RIGHTS);
  saveSegment(vmcs, DS, VMCS_GUEST_DS_SELECTOR, VMCS_GUEST_DS_BASE, VMCS_GUEST_DS_LIMIT, VMCS_GUEST_DS_ACCESS_RIGHTS);
  saveSegment(vmcs, FS, VMCS_GUEST_FS_SELECTOR, VMCS_GUEST_FS_BASE, VMCS_GUEST_FS_LIMIT, VMCS_GUEST_FS_ACCESS_RIGHTS);
  saveSegment(vmcs, GS, VMCS_GUEST_GS_SELECTOR, VMCS_GUEST_GS_BASE, VMCS_GUEST_GS_LIMIT, VMCS_GUEST_GS_ACCESS_RIGHTS);
  saveSegment(vmcs, LDTR, VMCS_GUEST_LDTR_SELECTOR, VMCS_GUEST_LDTR_BASE, VMCS_GUEST_LDTR_LIMIT, VMCS_GUEST_LDTR_ACCESS_RIGHTS);
  saveSegment(vmcs, TR, VMCS_GUEST_TR_SELECTOR, VMCS_GUEST_TR_BASE, VMCS_GUEST_TR_LIMIT, VMCS_GUEST_TR_ACCESS_RIGHTS);
  setField(vmcs, VMCS_GUEST_SS_ACCESS_RIGHTS, (field32(vmcs, VMCS_GUEST_SS_ACCESS_RIGHTS) & ~DPL) | load<u32>(CPU_CPL) << 5);
  setField(vmcs, VMCS_GUEST_GDTR_BASE, load<u64>(CPU_GDTR_BASE));
  setField(vmcs, VMCS_GUEST_GDTR_LIMIT, load<u32>(CPU_GDTR_LIMIT) & 0xffff);
  setField(vmcs, VMCS_GUEST_IDTR_BASE, load<u64>(CPU_IDTR_BASE));
  setField(vmcs, VMCS_GUEST_IDTR_LIMIT, load<u32>(CPU_IDTR_LIMIT) & 0xffff);
}
