// The sample images under fixtures/ and what readelf and gdb said of them when they were made (fixtures/make.sh).

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { openSymbols, type SymbolFile } from '../../src/symbols/symbol-file';

export const sampleNames = ['dwarf4-O0', 'dwarf4-O2', 'dwarf5-O0', 'dwarf5-O2', 'dwarf4-types-O2', 'dwarf5-packed-O2'] as const;
export type SampleName = (typeof sampleNames)[number];

function fixture(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`fixtures/${name}`, import.meta.url)));
}

export function sampleBytes(name: SampleName): Uint8Array {
  return fixture(`${name}.elf`);
}

export function openSample(name: SampleName): SymbolFile {
  return openSymbols(sampleBytes(name), { name });
}

/** Lines of a readelf listing. */
export function listing(name: SampleName, kind: 'lines' | 'frames' | 'symbols'): string[] {
  return gunzipSync(fixture(`${name}.${kind}.gz`)).toString().split('\n');
}

export type GdbTree = string | GdbTree[] | { [name: string]: GdbTree };

export interface GdbFrame {
  readonly function: string;
  readonly inlined: boolean;
  readonly line: number;
  readonly registers: Readonly<Record<string, string>>;
  readonly variables: readonly (readonly [name: string, type: string, value: GdbTree])[];
}

/** Address and bytes, both in hexadecimal. */
export type RecordedMemory = readonly (readonly [address: string, bytes: string])[];

export interface GdbRecording {
  readonly states: readonly { readonly frames: readonly GdbFrame[]; readonly memory: RecordedMemory }[];
  readonly globals: readonly (readonly [name: string, value: GdbTree, address: string | null])[];
  readonly types: readonly (readonly [name: string, type: string, size: number])[];
  readonly breakpoints: readonly (readonly [line: number, addresses: readonly string[], lines: readonly number[]])[];
}

export function gdbRecording(name: SampleName): GdbRecording {
  return JSON.parse(gunzipSync(fixture(`${name}.gdb.json.gz`)).toString()) as GdbRecording;
}

/** Recorded memory over an image's own bytes. */
export function memoryOf(file: SymbolFile, recorded: RecordedMemory = []): (address: bigint, length: number) => Uint8Array | undefined {
  const areas = recorded.map(([address, bytes]) => ({ start: BigInt(address), bytes: Uint8Array.from(Buffer.from(bytes, 'hex')) }));
  return (address, length) => {
    const area = areas.find(({ start, bytes }) => address >= start && address + BigInt(length) <= start + BigInt(bytes.length));
    const bytes = area ? area.bytes.subarray(Number(address - area.start), Number(address - area.start) + length) : file.textBytes(address, length);
    return bytes.length === length ? bytes : undefined;
  };
}
