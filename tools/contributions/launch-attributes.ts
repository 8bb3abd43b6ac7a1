// The attributes of a launch configuration, with the descriptions that the editor shows while launch.json is edited. The extension checks a
// configuration against the same schema (it reads it back from its own manifest), so that an attribute is described in one place.

import { strategies } from '../../src/model/strategies';
import { namedProcessorModels, processorModelIds } from '../../src/spec/processor-generations';
import type { AttributeSchema, Snippet } from './manifest-types';

export const launchAttributes: Record<string, AttributeSchema> = {
  program: {
    type: 'string',
    markdownDescription: 'The image that the machine boots as level 0: a 64-bit ELF file with DWARF line information, usually a hypervisor. Without it the demonstration starts: '
      + 'three copies of a recursive hypervisor on top of each other, and a guest that executes `CPUID` in a loop.',
  },
  commandLine: {
    type: 'string',
    markdownDescription: 'The command line that `program` is given (in its Multiboot information). Without `program`: further options of the recursive hypervisor, such as `ept=on`.',
  },
  modules: {
    type: 'array',
    markdownDescription: 'Further images put into memory as Multiboot modules, in this order. A recursive hypervisor starts the first one as its guest and hands on the rest, so that '
      + 'the order is that of the levels.',
    items: {
      type: 'object',
      required: ['image'],
      additionalProperties: false,
      properties: {
        image: { type: 'string', markdownDescription: 'Path of the module: a 64-bit ELF file, or any file that `program` knows how to use.' },
        commandLine: { type: 'string', markdownDescription: 'The command line of this module.' },
      },
    },
  },
  hypervisors: {
    type: 'integer',
    minimum: 1,
    maximum: 8,
    default: 3,
    markdownDescription: 'How many copies of the recursive hypervisor the demonstration stacks. Only without `program`.',
  },
  strategy: {
    type: 'string',
    enum: strategies,
    markdownDescription: 'How the hypervisors of the demonstration pass exits and entries on. Only without `program`. Default: `naive` for up to five hypervisors, `both` for more.',
    markdownEnumDescriptions: [
      'Every exit and every VMX instruction goes through all levels below.', 'The lowest level answers VMRESUMEs of all levels.', 'VMREAD and VMWRITE do not exit (VMCS shadowing).',
      'Both optimisations together.',
    ],
  },
  memory: {
    type: 'integer',
    minimum: 16,
    maximum: 3584,
    multipleOf: 2,
    default: 256,
    markdownDescription: 'Physical memory of the machine, in MiB.',
  },
  processors: {
    type: 'integer',
    minimum: 1,
    maximum: 8,
    default: 1,
    markdownDescription: 'Number of virtual processors. Each level of each of them is a thread: `vCPU 1 · L0 · kernel`.',
  },
  processor: {
    type: 'string',
    enum: processorModelIds,
    default: processorModelIds[0],
    markdownDescription: 'Which processor the machine has: `abyme` has everything that the machine implements, the others what Intel processors of that generation have of it.',
    markdownEnumDescriptions: namedProcessorModels.map((model, n) => n === 0 ? 'Everything that the machine implements.' : `${model.brand.replace('Abyme as ', '')}, ${model.physicalBits}-bit physical addresses.`),
  },
  processorWithout: {
    type: 'array',
    items: { type: 'string' },
    markdownDescription: 'What that processor lacks: CPUID features (`pcid`), controls of VMX (`secondary.vmcsShadowing`) and options of VMX (`vmx.vmwriteAny`; '
      + 'without `vmx.featureControlLocked` IA32_FEATURE_CONTROL is left to software). A hypervisor that must do '
      + 'without a feature can be tried without it.',
  },
  physicalAddressBits: {
    type: 'integer',
    minimum: 36,
    maximum: 52,
    markdownDescription: 'Width of physical addresses (MAXPHYADDR). Default: that of the processor.',
  },
  stopsFrom: {
    type: 'string',
    enum: ['guest', 'reset'],
    markdownDescription: 'From when on VM exits, VMX instructions and VM entries can stop the machine. Breakpoints in source lines work from reset in any case.',
    markdownEnumDescriptions: [
      'From the first instruction of the last module, the innermost guest: the thousands of exits by which the hypervisors set each other up pass unnoticed. Default of the demonstration.',
      'From the first instruction after reset.',
    ],
  },
  stopOnEntry: {
    type: 'boolean',
    default: false,
    markdownDescription: 'Stop at the first instruction of `program`.',
  },
  stepIntoInterrupts: {
    type: 'boolean', default: false,
    markdownDescription: 'Steps stop at the first instruction of the handler of an interrupt that comes meanwhile, instead of running through it.',
  },
  stepIntoFaults: {
    type: 'boolean', default: false,
    markdownDescription: 'Steps by line, too, stop at the first instruction of the handler of a fault. Steps by instruction always do.',
  },
  sourceMap: {
    type: 'object',
    additionalProperties: { type: 'string' },
    markdownDescription: 'Where sources are that the debug information names by another path: from a prefix of the recorded path to a folder here, for example '
      + '`{ "/build/hv": "${workspaceFolder}/hv" }`. The longest matching prefix wins. Sources of the demonstration need no entry.',
  },
  levels: {
    type: 'array',
    markdownDescription: 'What runs at a level, where that cannot be found from the loaded modules: an image that a hypervisor unpacks or relocates by itself.',
    items: {
      type: 'object',
      required: ['level'],
      additionalProperties: false,
      properties: {
        level: { type: 'integer', minimum: 0, maximum: 64, markdownDescription: 'The virtualization level: 0 is what runs on the machine itself.' },
        image: { type: 'string', markdownDescription: 'Path of the image that runs there.' },
        symbols: { type: 'string', markdownDescription: 'Path of a file with the symbols and line information of the image, when `image` has none.' },
        loadAddress: {
          type: 'string',
          pattern: '^(0[xX][0-9a-fA-F]+|[0-9]+)$',
          patternErrorMessage: 'An address: hexadecimal with 0x, or decimal.',
          markdownDescription: 'Linear address at which the image\'s first segment lies in that level\'s address space, as a string such as `"0x400000"`.',
        },
      },
    },
  },
  serial: {
    type: 'string',
    enum: ['console', 'off'],
    markdownDescription: 'Where the output of the serial port (COM1) goes.',
    markdownEnumDescriptions: ['To the Debug Console, line by line. The default.', 'Nowhere.'],
  },
  trace: {
    type: 'boolean',
    default: false,
    markdownDescription: 'Write the messages between the editor and the debugger to the output channel *Abyme*, for a report about the debugger itself.',
  },
};

/** The demonstration: what F5 starts where there is no launch.json. */
export const demonstration = { type: 'abyme', request: 'launch', name: 'Abyme: three hypervisors and a guest' } as const;

export const launchSnippets: readonly Snippet[] = [
  {
    label: 'Abyme: demonstration stack',
    description: 'Boots three recursive hypervisors and a guest, and stops inside the guest\'s CPUID exit.',
    body: { ...demonstration, stopsFrom: 'guest' },
  },
  {
    label: 'Abyme: eight hypervisors',
    description: 'Boots eight recursive hypervisors and a guest, with VMCS shadowing and without the propagation of VMRESUMEs.',
    body: { ...demonstration, name: 'Abyme: eight hypervisors and a guest', hypervisors: 8, strategy: 'both', stopsFrom: 'guest' },
  },
  {
    label: 'Abyme: own hypervisor with a guest',
    description: 'Boots a hypervisor of yours, with one module that it starts as its guest.',
    body: {
      type: 'abyme', request: 'launch', name: '${1:My hypervisor}', program: '^"\\${workspaceFolder}/${2:hypervisor.elf}"',
      modules: [{ image: '^"\\${workspaceFolder}/${3:guest.elf}"' }], memory: 256, stopsFrom: 'guest',
    },
  },
  {
    label: 'Abyme: own hypervisor from its first instruction',
    description: 'Stops at the first instruction of the hypervisor, with every VMX instruction, entry and exit armed from there.',
    body: {
      type: 'abyme', request: 'launch', name: '${1:My hypervisor, from reset}', program: '^"\\${workspaceFolder}/${2:hypervisor.elf}"', stopOnEntry: true, stopsFrom: 'reset',
    },
  },
  {
    label: 'Abyme: stack of own hypervisors',
    description: 'Boots one hypervisor on another: each starts the next module as its guest.',
    body: {
      type: 'abyme', request: 'launch', name: '${1:My stack}', program: '^"\\${workspaceFolder}/${2:hypervisor.elf}"',
      modules: [{ image: '^"\\${workspaceFolder}/${2:hypervisor.elf}"' }, { image: '^"\\${workspaceFolder}/${3:guest.elf}"' }], stopsFrom: 'guest',
    },
  },
  {
    label: 'Abyme: image that a hypervisor places by itself',
    description: 'Names the symbols and the address of a level that no loaded module tells: an image that is unpacked or relocated at run time.',
    body: {
      type: 'abyme', request: 'launch', name: '${1:My hypervisor}', program: '^"\\${workspaceFolder}/${2:hypervisor.elf}"', stopsFrom: 'reset',
      levels: [{ level: 1, image: '^"\\${workspaceFolder}/${3:kernel.elf}"', loadAddress: '0x100000' }],
    },
  },
  {
    label: 'Abyme: a guest alone',
    description: 'Boots one image without any hypervisor, from its first instruction.',
    body: { type: 'abyme', request: 'launch', name: '${1:My kernel}', program: '^"\\${workspaceFolder}/${2:kernel.elf}"', commandLine: '${3}', stopOnEntry: true },
  },
  {
    label: 'Abyme: several processors',
    description: 'Boots one image on a machine with several virtual processors; each level of each of them is a thread.',
    body: { type: 'abyme', request: 'launch', name: '${1:My kernel}', program: '^"\\${workspaceFolder}/${2:kernel.elf}"', processors: 4, stopsFrom: 'reset' },
  },
  {
    label: 'Abyme: sources in another place',
    description: 'An image built elsewhere: maps the paths of its debug information to folders here.',
    body: {
      type: 'abyme', request: 'launch', name: '${1:My hypervisor}', program: '^"\\${workspaceFolder}/${2:hypervisor.elf}"',
      sourceMap: { '${3:/build}': '^"\\${workspaceFolder}${4}"' },
    },
  },
];
