// `abyme run`: boots an image without a debugger. The serial port is standard output, port 0xF4 ends the machine with an exit code, as
// test programs for emulators expect it.
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { bootImages } from '../emulator/boot';
import { isElf32 } from '../emulator/boot/elf32';
import { createMachine, type Machine } from '../emulator/machine';
import { readEngine } from '../debug-adapter/launch-configuration';
import { UserError } from '../debug-adapter/user-errors';
import { chooseProcessor } from '../spec/processor-generations';
import type { ProcessorModel } from '../spec/processor-models';
import { vmxAbortReason } from '../spec/vmx-aborts';
import { nodeHost } from './adapter-host';
import { parseOptions, UsageError } from './options';

const unitsPerRun = 50_000_000;
/** The machine ended without a code of its own: it halted for good, shut down, or was reset. */
const haltedCode = 3, shutdownCode = 4, resetCode = 5;

export async function runCommand(args: readonly string[]): Promise<number> {
  const options = parseOptions(args, ['append', 'initrd', 'memory', 'processors', 'processor', 'without'], []);
  const [image, ...more] = options.rest;
  if (image === undefined || more.length > 0) throw new UsageError('abyme run takes one image.');
  const program = await readBytes(image, 'image');
  const modules = await Promise.all(options.values('initrd').map(async (text, i) => {
    const comma = text.indexOf(','), path = comma < 0 ? text : text.slice(0, comma);
    return { name: basename(path), bytes: await readBytes(path, `module ${i + 1}`), commandLine: comma < 0 ? '' : text.slice(comma + 1) };
  }));
  const mebibytes = options.integer('memory', 16, 3584) ?? 256;
  const processor = processorOf(options.value('processor'), options.values('without'));
  const machine = await createMachine(await readEngine(nodeHost()), { memoryBytes: (mebibytes + mebibytes % 2) * 2 ** 20, vcpus: options.integer('processors', 1, 8) ?? 1, processor });
  try {
    bootImages(machine, { program, commandLine: commandLineOf(program, image, options.value('append')), modules });
  } catch (error) {
    throw new UserError('badImage', { path: image, reason: error instanceof Error ? error.message : String(error) });
  }
  return runToEnd(machine, bytes => void process.stdout.write(bytes), text => void process.stderr.write(`abyme: ${text}\n`));
}

/**
 * A Multiboot kernel finds the image's name as the first word of its command line, as other loaders of that specification do it; images of the boot protocol of
 * this project get the text alone.
 */
export function commandLineOf(program: Uint8Array, image: string, append: string | undefined): string {
  return isElf32(program) ? [image, append].filter(Boolean).join(' ') : append ?? '';
}

function processorOf(model: string | undefined, without: readonly string[]): ProcessorModel {
  try { return chooseProcessor({ model, without }); } catch (error) {
    if (error instanceof RangeError) throw new UserError('badProcessor', { reason: error.message.replace(/\.$/, '') });
    throw error;
  }
}

/** Runs until the machine ends; the code of port 0xF4, or one that says how it ended. */
function runToEnd(machine: Machine, serial: (bytes: Uint8Array) => void, note: (text: string) => void): number {
  machine.recordEvents(['unimplemented']);
  const seen = new Set<string>();
  for (;;) {
    const result = machine.run(unitsPerRun);
    const output = machine.takeSerialOutput();
    if (output.length > 0) serial(output);
    machine.drainEvents(event => {
      if (event.kind !== 'unimplemented') return;
      const bytes = Array.from({ length: event.aux & 15 }, (_, i) => Number(event.a >> BigInt(8 * i) & 0xffn).toString(16).padStart(2, '0')).join(' ');
      if (!seen.has(bytes)) note(`not implemented: ${bytes} at 0x${event.rip.toString(16)}`);
      seen.add(bytes);
    });
    switch (result.kind) {
      case 'debugExit': return result.index;
      case 'idle': note('every processor waits for an interrupt that nothing will send'); return haltedCode;
      case 'shutdown': note(`${result.index === 0 ? 'triple fault' : `VMX abort ${result.index} (${vmxAbortReason(result.index)})`}: the processor shut down`); return shutdownCode;
      case 'reset': note('the machine was reset'); return resetCode;
      case 'powerOff': note('the machine was switched off'); return 0;
      default: break;
    }
  }
}

async function readBytes(path: string, role: string): Promise<Uint8Array> {
  try { return new Uint8Array(await readFile(path)); } catch (error) {
    throw new UserError('unreadableFile', { path, role, reason: error instanceof Error ? error.message : String(error) });
  }
}
