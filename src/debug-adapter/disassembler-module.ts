// The iced-x86 package, wherever it runs. In Node it reads its WebAssembly from its own folder when it is imported; in the web bundle that part
// is replaced by a function that takes the bytes. Loaded with the first disassembly.
import type { AdapterHost } from './adapter-types';

/** The part of iced-x86 that the disassembly uses. */
export type DisassemblerModule = Pick<typeof import('iced-x86'), 'Decoder' | 'Formatter' | 'FormatterSyntax' | 'DecoderOptions' | 'Instruction'>;

type LoadedModule = DisassemblerModule & { instantiate?(bytes: Uint8Array): void; default?: LoadedModule };

let loading: Promise<DisassemblerModule> | undefined;

export function loadDisassembler(host: AdapterHost): Promise<DisassemblerModule> {
  loading ??= load(host).catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

async function load(host: AdapterHost): Promise<DisassemblerModule> {
  const namespace = await import('iced-x86') as unknown as LoadedModule, module = namespace.default ?? namespace;
  module.instantiate?.(await host.readFile('extension:/dist/iced_x86_bg.wasm'));
  return module;
}
