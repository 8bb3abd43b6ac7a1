// The layout of the memory region `devices`: one row per cell of each device, in the manner of state-layout.ts. Both sides of the
// WASM border use it: TypeScript by `deviceCell`, the core by constants in core/generated/devices.ts, which deviceLayoutModule writes.
// A device that exists several times repeats its cells at a fixed stride. Everything that a device remembers stands here, so that a
// snapshot of the region is a snapshot of the devices. Fixed facts of the board (clock rates, sizes, the first date) stand here too.
import { cellBytes, region } from './state-layout';
import type { Cell, CellType } from './state-layout';

/** Rates of the board's clocks in Hz; all are derived from virtual time, of which `tsc` units make a second (unless `settings.tscHz` says otherwise). */
export const clockRates = { tsc: 1_000_000_000, apicBus: 100_000_000, pit: 1_193_182, pmTimer: 3_579_545, rtc: 32_768 } as const;

/** The date of the real-time clock at time 0, in seconds since 1970: 1 January 2024, 00:00:00. */
export const firstSecond = Date.UTC(2024, 0, 1) / 1000;

export const maximumVcpus = 8;
export const ioApicPins = 24;
export const serialFifoBytes = 16;
export const keyboardQueueBytes = 16;

/** Optional parts of the local APIC; the index is the bit in `settings.absentFeatures`. */
export const apicFeatures = ['x2apic', 'tscDeadline'] as const;

type Row = readonly [name: string, type: CellType, count: number, doc: string];
interface DeviceRows { readonly name: string; readonly instances: number; readonly rows: readonly Row[] }

const devices: readonly DeviceRows[] = [
  { name: 'settings', instances: 1, rows: [
    ['tscHz', 'u64', 1, 'units of virtual time in a second, below 2^32; 0 = clockRates.tsc. Survives a reset'],
    ['absentFeatures', 'u32', 1, 'bit per entry of apicFeatures that the processor model lacks. Survives a reset'],
  ] },
  { name: 'timers', instances: 1, rows: [
    ['nextDeadline', 'u64', 1, 'earliest of all deadlines below, in units, all ones = none'],
  ] },
  { name: 'apic', instances: maximumVcpus, rows: [
    ['base', 'u64', 1, 'IA32_APIC_BASE of that vCPU; the cell apicBase of the CPU state is a copy for the active one'],
    ['isr', 'u64', 4, 'in-service bits'], ['tmr', 'u64', 4, 'trigger mode: 1 level'], ['irr', 'u64', 4, 'interrupt request bits'],
    ['id', 'u32', 1, 'xAPIC id (8 bits); the x2APIC id is the number of the vCPU'],
    ['tpr', 'u32', 1, ''], ['ldr', 'u32', 1, 'logical destination of xAPIC mode; x2APIC derives its own'], ['dfr', 'u32', 1, ''], ['spurious', 'u32', 1, 'spurious-interrupt vector register'],
    ['esr', 'u32', 1, 'error status as last latched by a write'], ['errors', 'u32', 1, 'errors since that write'],
    ['icrLow', 'u32', 1, ''], ['icrHigh', 'u32', 1, 'destination: bits 31:24 in xAPIC mode, all of it in x2APIC mode'],
    ['lvt', 'u32', 6, 'timer, thermal, performance, LINT0, LINT1, error'],
    ['initialCount', 'u32', 1, ''], ['divide', 'u32', 1, 'divide configuration register'],
    ['timerStart', 'u64', 1, 'tick of the bus clock at which the count was the initial count'],
    ['tscDeadline', 'u64', 1, 'IA32_TSC_DEADLINE, 0 = disarmed'],
    ['timerDeadline', 'u64', 1, 'time in units of the next timer interrupt, all ones = none'],
    ['pendingInit', 'u32', 1, 'an INIT has arrived'], ['pendingSipi', 'u32', 1, '0, or 1 + the vector of a start-up IPI'], ['pendingNmi', 'u32', 1, 'an NMI has arrived'],
    ['attention', 'u32', 1, 'something may have arrived since that vCPU last looked and found nothing to wake for'],
  ] },
  { name: 'ioapic', instances: 1, rows: [
    ['redirection', 'u64', ioApicPins, 'redirection table'], ['select', 'u32', 1, 'IOREGSEL'], ['id', 'u32', 1, 'bits 27:24'], ['lines', 'u32', 1, 'bit per pin that is asserted'],
  ] },
  { name: 'pic', instances: 2, rows: [
    ['irr', 'u32', 1, ''], ['isr', 'u32', 1, ''], ['imr', 'u32', 1, ''], ['lines', 'u32', 1, 'bit per input that is high'], ['elcr', 'u32', 1, 'bit per input that is level triggered'],
    ['vectorBase', 'u32', 1, 'ICW2'], ['cascade', 'u32', 1, 'ICW3'], ['icw1', 'u32', 1, ''], ['icw4', 'u32', 1, ''], ['step', 'u32', 1, 'initialization word expected next (2 to 4), 0 = none'],
    ['lowest', 'u32', 1, 'input of the lowest priority'], ['readIsr', 'u32', 1, 'the command port reads ISR, not IRR'], ['poll', 'u32', 1, 'the next read is a poll'],
    ['specialMask', 'u32', 1, ''], ['rotateOnAutoEoi', 'u32', 1, ''],
  ] },
  { name: 'picOutput', instances: 1, rows: [['level', 'u32', 1, 'INTR of the first chip']] },
  { name: 'pit', instances: 3, rows: [
    ['loadTick', 'u64', 1, 'tick at which the counting element had the count'], ['pausedAt', 'u64', 1, 'tick at which the gate went low'],
    ['switchTick', 'u64', 1, 'tick at which the next count takes over'],
    ['count', 'u32', 1, '1 to 65536'], ['nextCount', 'u32', 1, '0 = none'], ['mode', 'u32', 1, '0 to 5'], ['access', 'u32', 1, '1 low byte, 2 high byte, 3 both'], ['bcd', 'u32', 1, ''],
    ['state', 'u32', 1, '0 no count yet, 1 count written (modes 1 and 5: waits for the gate), 2 counting'],
    ['outBefore', 'u32', 1, 'OUT until loadTick'], ['gate', 'u32', 1, ''],
    ['latch', 'u32', 1, 'latched count'], ['latchBytes', 'u32', 1, 'bytes of it still to be read'], ['status', 'u32', 1, 'latched status, bit 8 = there is one'],
    ['readSecond', 'u32', 1, 'the next read gives the high byte'], ['writeSecond', 'u32', 1, 'bit 8: a low byte was written, bits 7:0'],
  ] },
  { name: 'pitTimer', instances: 1, rows: [
    ['deadline', 'u64', 1, 'time in units of the next change of OUT of channel 0'], ['tick', 'u64', 1, 'the same as a tick'],
  ] },
  { name: 'serial', instances: 1, rows: [
    ['interruptEnable', 'u32', 1, ''], ['fifoControl', 'u32', 1, ''], ['lineControl', 'u32', 1, ''], ['modemControl', 'u32', 1, ''], ['lineErrors', 'u32', 1, 'bits of LSR that a read clears'],
    ['modemDelta', 'u32', 1, 'low four bits of MSR'], ['scratch', 'u32', 1, ''], ['divisor', 'u32', 1, ''], ['transmitterEmpty', 'u32', 1, 'that interrupt is pending'],
    ['fifoHead', 'u32', 1, ''], ['fifoCount', 'u32', 1, ''], ['fifo', 'u8', serialFifoBytes, 'bytes received'],
  ] },
  { name: 'rtc', instances: 1, rows: [
    ['firstSecond', 'u64', 1, 'date at time 0, seconds since 1970'], ['frozenSecond', 'u64', 1, 'date while updates are inhibited (register B bit 7)'],
    ['deadline', 'u64', 1, ''], ['seenSecond', 'u64', 1, 'second up to which flags are up to date'], ['seenPeriod', 'u64', 1, 'period up to which they are'],
    ['index', 'u32', 1, ''], ['ram', 'u8', 128, 'CMOS; the registers of the date are computed'], ['frozen', 'u8', 16, 'registers of the date while updates are inhibited'],
  ] },
  { name: 'keyboard', instances: 1, rows: [
    ['command', 'u32', 1, 'command byte of the controller'], ['expects', 'u32', 1, 'command whose data byte comes next at 60h, 0 = none (the byte is for the keyboard)'],
    ['keyboardExpects', 'u32', 1, 'keyboard command whose argument comes next'], ['outputPort', 'u32', 1, 'bit 0 reset (active low), bit 1 A20'], ['system', 'u32', 1, 'system flag of the status'],
    ['head', 'u32', 1, ''], ['count', 'u32', 1, ''], ['queue', 'u8', keyboardQueueBytes, 'bytes for port 60h'],
  ] },
  { name: 'system', instances: 1, rows: [
    ['resetRequested', 'u32', 1, 'software asked for a reset of the machine'], ['powerOffRequested', 'u32', 1, 'software asked to switch the machine off'],
    ['portB', 'u32', 1, 'port 61h bits 3:0'], ['resetControl', 'u32', 1, 'port CF9h'], ['fastA20', 'u32', 1, 'port 92h'],
  ] },
  { name: 'fwCfg', instances: 1, rows: [['selector', 'u32', 1, ''], ['offset', 'u32', 1, 'bytes of the item read']] },
  { name: 'power', instances: 1, rows: [
    ['deadline', 'u64', 1, 'time of the next carry of the PM timer while its interrupt is enabled'], ['seenCarries', 'u64', 1, ''],
    ['status', 'u32', 1, 'PM1_STS'], ['enable', 'u32', 1, 'PM1_EN'], ['control', 'u32', 1, 'PM1_CNT'],
  ] },
  { name: 'pci', instances: 1, rows: [['address', 'u32', 1, 'CONFIG_ADDRESS'], ['command', 'u32', 1, 'command register of the host bridge']] },
  { name: 'testDevice', instances: 1, rows: [['data', 'u32', 1, 'ports E0h to E3h'], ['memory', 'u8', 4096, 'memory that is reached as a device, at FF000000h']] },
];

/** Cells of one device; addresses are those of its first instance. */
export interface DeviceBlock { readonly name: string; readonly base: number; readonly stride: number; readonly instances: number; readonly cells: readonly Cell[] }

export const deviceBlocks: readonly DeviceBlock[] = (() => {
  const { base: start, size } = region('devices');
  let at = start;
  const blocks = devices.map(({ name, instances, rows }): DeviceBlock => {
    const base = at;
    const cells = rows.map(([cellName, type, count, doc]): Cell => {
      at = Math.ceil(at / cellBytes[type]) * cellBytes[type];
      const cell: Cell = { name: cellName, type, count, doc, address: at };
      at += cellBytes[type] * count;
      return cell;
    });
    const stride = Math.ceil((at - base) / 16) * 16;
    at = base + stride * instances;
    return { name, base, stride, instances, cells };
  });
  if (at > start + size) throw new Error('the state of the devices overflows its region');
  return blocks;
})();

/** Address of a cell in the WASM memory. Throws on a name that does not exist. */
export function deviceCell(device: string, name: string, instance = 0): number {
  const block = deviceBlocks.find(b => b.name === device), cell = block?.cells.find(c => c.name === name);
  if (!block || !cell || instance >= block.instances) throw new Error(`no device cell ${device}.${name}[${instance}]`);
  return cell.address + instance * block.stride;
}

const upper = (camel: string): string => camel.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase();
const constant = (name: string, value: number, type: string): string => `@inline export const ${name}: ${type} = ${value};`;

/** AssemblyScript constants: <DEVICE>_<CELL> is an address (of the first instance), <DEVICE>_BYTES the stride; clock rates and sizes. */
export function deviceLayoutModule(): string {
  const lines = ['// Generated from src/emulator/codegen/device-layout.ts.'];
  for (const b of deviceBlocks) {
    for (const c of b.cells) lines.push(constant(`${upper(b.name)}_${upper(c.name)}`, c.address, 'usize'));
    if (b.instances > 1) lines.push(constant(`${upper(b.name)}_BYTES`, b.stride, 'usize'));
  }
  const first = deviceBlocks.find(b => b.name !== 'settings')!, last = deviceBlocks[deviceBlocks.length - 1]!;
  lines.push(constant('DEVICE_STATE', first.base, 'usize'), constant('DEVICE_STATE_BYTES', last.base + last.stride * last.instances - first.base, 'usize'));
  for (const [name, hz] of Object.entries(clockRates)) lines.push(constant(`${upper(name)}_HZ`, hz, 'u64'));
  apicFeatures.forEach((name, bit) => lines.push(constant(`NO_${upper(name)}`, 1 << bit, 'u32')));
  lines.push(constant('FIRST_SECOND', firstSecond, 'u64'), constant('MAXIMUM_VCPUS', maximumVcpus, 'u32'), constant('IO_APIC_PINS', ioApicPins, 'u32'),
    constant('SERIAL_FIFO_BYTES', serialFifoBytes, 'u32'), constant('KEYBOARD_QUEUE_BYTES', keyboardQueueBytes, 'u32'));
  return lines.join('\n') + '\n';
}
