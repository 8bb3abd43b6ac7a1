// Writes the event ring. A record whose kind is not recorded costs one test. When the ring is nearly full, run stops so that the
// reader can drain it: no event is lost.
import { CPU_CPL, CPU_CR0, CPU_CR3, CPU_EFER, CPU_GPR, CPU_ID, CPU_NON_ROOT, CPU_RIP, EV_A, EV_AUX, EV_B, EV_C, EV_CR0, EV_CR3, EV_FLAGS, EV_GPR, EV_KIND, EV_RFLAGS, EV_RIP, EV_RSP, EV_SLOTS, EV_TIME,
  EV_VCPU, EVENT_PAD, EVENT_SLOT_BYTES, EVENT_SLOTS, M_EVENT_MASK, M_RING_HEAD, M_RING_TAIL, REGION_EVENTS, STOP_RING_FULL } from './generated/layout';
import { EFER_LMA, rflags, time } from './state';
import { requestStop } from './stop';

/** Slots kept free: what one instruction can write at most, with room. */
@inline const RESERVE: u32 = 256;

/**
 * Starts a record of `slots` slots (1 or 4): kind, flags, vCPU, time, RIP, RSP and CR3 are filled, the rest of the
 * first slot is zero, the other slots are the caller's to fill. Returns its address, 0 when the kind is not recorded.
 */
export function eventSlot(kind: u32, slots: u32): usize {
  if ((load<u32>(M_EVENT_MASK) >> kind & 1) == 0) return 0;
  let head = load<u32>(M_RING_HEAD);
  const room = EVENT_SLOTS - head % EVENT_SLOTS;
  if (room < slots) {                                                               // records do not wrap: pad to the end
    const at = REGION_EVENTS + <usize>(head % EVENT_SLOTS) * EVENT_SLOT_BYTES;
    store<u8>(at + EV_KIND, <u8>EVENT_PAD);
    store<u8>(at + EV_SLOTS, <u8>room);
    head += room;
  }
  const at = REGION_EVENTS + <usize>(head % EVENT_SLOTS) * EVENT_SLOT_BYTES;
  head += slots;
  store<u32>(M_RING_HEAD, head);
  if (EVENT_SLOTS - (head - load<u32>(M_RING_TAIL)) < RESERVE) requestStop(STOP_RING_FULL, 0, 0);
  store<u8>(at + EV_KIND, <u8>kind);
  store<u8>(at + EV_FLAGS, <u8>(load<u32>(CPU_NON_ROOT) | ((load<u64>(CPU_EFER) & EFER_LMA) != 0 ? 2 : 0) | load<u32>(CPU_CPL) << 2));
  store<u8>(at + EV_SLOTS, <u8>slots);
  store<u8>(at + EV_VCPU, <u8>load<u32>(CPU_ID));
  store<u32>(at + EV_AUX, 0);
  store<u64>(at + EV_TIME, time());
  store<u64>(at + EV_RIP, load<u64>(CPU_RIP));
  store<u64>(at + EV_RSP, load<u64>(CPU_GPR + 32));
  store<u64>(at + EV_CR3, load<u64>(CPU_CR3));
  store<u64>(at + EV_A, 0);
  store<u64>(at + EV_B, 0);
  store<u64>(at + EV_C, 0);
  return at;
}

/** Whether a record can be made without a look at whether the run must stop for it. */
@inline export function ringHasRoom(): bool { return EVENT_SLOTS - (load<u32>(M_RING_HEAD) - load<u32>(M_RING_TAIL)) >= RESERVE * 2; }

/** Fills general registers, RFLAGS and CR0 of a four-slot record. */
export function eventRegisters(at: usize): void {
  for (let n: usize = 0; n < 128; n += 16) v128.store(at + EV_GPR + n, v128.load(CPU_GPR + n));
  store<u64>(at + EV_RFLAGS, rflags());
  store<u64>(at + EV_CR0, load<u64>(CPU_CR0));
}

/** A one-slot event with a number. */
export function plainEvent(kind: u32, aux: u32): void {
  const at = eventSlot(kind, 1);
  if (at) store<u32>(at + EV_AUX, aux);
}
