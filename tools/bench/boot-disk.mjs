// A hard-disk image that boots an image on any PC with the entry state of our own boot protocol: what the boot code would write into a
// machine is recorded and laid out on the disk; a boot sector reads it back to the same addresses and enters 64-bit mode.
//
// Disk: sector 0 the boot sector, then the pieces of memory, low one first. The boot sector reads each chunk of 32 KiB by the BIOS into a
// buffer and copies it up in 'unreal' mode (real mode with 4 GiB segments, from the GDT of the recorded memory).
import { bootImages } from './engine.mjs';

const sectorBytes = 512, chunkSectors = 64, bufferSegment = 0x2000, bootAddress = 0x7c00;

/** Stands for a machine while `bootImages` loads it: keeps memory writes and registers. */
class Recorder {
  constructor(memoryBytes) { this.memoryBytes = memoryBytes; this.writes = []; this.values = new Map(); this.vcpuCount = 1; this.processor = { family: 6 }; }
  writePhysical(address, bytes) { this.writes.push({ address: Number(address), bytes: bytes.slice() }); return Number(address) + bytes.length <= this.memoryBytes; }
  registers() { return { set: (name, value) => this.values.set(name, value), get: name => this.values.get(name) ?? 0n }; }
}

/** Bytes of the image, ready to be written to a file. The geometry that Bochs wants: 16 heads, 63 sectors a track. */
export function bootDisk(program, commandLine, memoryBytes, modules = []) {
  const recorder = new Recorder(memoryBytes);
  bootImages(recorder, { program, commandLine, modules });
  // the loader's area in the first MiB in one piece, the program in another
  const pieces = [recorder.writes.filter(w => w.address < 0xf_0000), recorder.writes.filter(w => w.address >= 0x10_0000)].map(writes => {
    const start = Math.min(...writes.map(w => w.address)), end = Math.max(...writes.map(w => w.address + w.bytes.length));
    const bytes = new Uint8Array(Math.ceil((end - start) / (chunkSectors * sectorBytes)) * chunkSectors * sectorBytes);
    for (const w of writes) bytes.set(w.bytes, w.address - start);
    return { start, bytes };
  });
  if (pieces[0].start + pieces[0].bytes.length > bufferSegment * 16) throw new Error('the loader area reaches into the buffer of the boot sector');
  let sector = 1;
  const placed = pieces.map(p => { const at = sector; sector += p.bytes.length / sectorBytes; return { ...p, sector: at, chunks: p.bytes.length / (chunkSectors * sectorBytes) }; });
  const cylinder = 16 * 63, cylinders = Math.ceil(sector / cylinder) + 1;
  const disk = new Uint8Array(cylinders * cylinder * sectorBytes);
  disk.set(bootSector(placed, recorder.registers()));
  for (const p of placed) disk.set(p.bytes, p.sector * sectorBytes);
  return { bytes: disk, cylinders };
}

/** A minimal assembler: bytes with labels; 16-bit and 8-bit relative references. */
class Code {
  constructor(origin) { this.origin = origin; this.bytes = []; this.labels = new Map(); this.fixups = []; }
  put(...bytes) { this.bytes.push(...bytes); return this; }
  word(value) { return this.put(value & 255, value >> 8 & 255); }
  long(value) { const v = Number(BigInt.asUintN(32, BigInt(value))); return this.word(v & 0xffff).word(v >>> 16); }
  quad(value) { return this.long(BigInt(value) & 0xffffffffn).long(BigInt(value) >> 32n); }
  label(name) { this.labels.set(name, this.bytes.length); return this; }
  /** The address of a label in two bytes. */
  address(name) { this.fixups.push({ at: this.bytes.length, name, relative: false }); return this.word(0); }
  short(name) { this.fixups.push({ at: this.bytes.length, name, relative: true }); return this.put(0); }
  near(name) { this.fixups.push({ at: this.bytes.length, name, relative: true, wide: true }); return this.word(0); }
  finish() {
    for (const { at, name, relative, wide } of this.fixups) {
      const target = this.labels.get(name), value = relative ? target - (at + (wide ? 2 : 1)) : this.origin + target;
      this.bytes[at] = value & 255;
      if (wide || !relative) this.bytes[at + 1] = value >> 8 & 255;
    }
    return this.bytes;
  }
}

function bootSector(pieces, registers) {
  const value = name => registers.get(name);
  const c = new Code(bootAddress);
  c.put(0xfa, 0xfc, 0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0, 0xbc).word(bootAddress);    // cli; cld; DS = ES = SS = 0; SP = 7C00h
  c.put(0x88, 0x16).address('drive');                                                             // mov [drive], dl
  c.put(0xe4, 0x92, 0x0c, 0x02, 0xe6, 0x92);                                                      // A20 on by port 92h
  // unreal mode, from a GDT of the sector's own (the recorded one is not read yet)
  c.put(0x0f, 0x01, 0x16).address('flatGdtr');                                                    // lgdt [flatGdtr]
  for (const [n, piece] of pieces.entries()) {
    c.put(0x66, 0xbf).long(piece.start);                                                          // mov edi, start
    c.put(0x66, 0xc7, 0x06).address('lba').long(piece.sector);                                    // mov dword [lba], sector
    c.put(0xbd).word(piece.chunks);                                                               // mov bp, chunks
    c.label(`piece${n}`);
    c.put(0xe8).near('readChunk');
    c.put(0x4d, 0x75).short(`piece${n}`);                                                         // dec bp; jnz
  }
  // 64-bit mode: PAE, CR3, LME, then protection and paging at once
  c.put(0xfa, 0x0f, 0x01, 0x16).address('gdtr');
  c.put(0x66, 0xb8).long(value('cr4')).put(0x0f, 0x22, 0xe0);
  c.put(0x66, 0xb8).long(value('cr3')).put(0x0f, 0x22, 0xd8);
  c.put(0x66, 0xb9).long(0xc000_0080).put(0x66, 0xb8).long(value('efer') & ~0x400n).put(0x66, 0x31, 0xd2, 0x0f, 0x30);
  c.put(0x66, 0xb8).long(value('cr0')).put(0x0f, 0x22, 0xc0);
  c.put(0xea).address('long').word(Number(value('cs.selector')));
  c.label('long');
  c.put(0xb8).long(value('ds.selector')).put(0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0, 0x8e, 0xe0, 0x8e, 0xe8);
  c.put(0x48, 0xb9).quad(value('rip'));                                                           // mov rcx, entry
  c.put(0x48, 0xb8).quad(value('rax')).put(0x48, 0xbb).quad(value('rbx')).put(0x48, 0xbc).quad(value('rsp'));
  c.put(0xff, 0xe1);                                                                              // jmp rcx

  // reads 64 sectors at [lba] into the buffer, copies them to EDI, advances both
  c.label('readChunk');
  c.put(0x66, 0x57, 0x55);                                                                        // push edi, bp
  c.put(0xbe).address('packet').put(0xb4, 0x42, 0x8a, 0x16).address('drive').put(0xcd, 0x13);     // si = packet; ah = 42h; dl = drive; int 13h
  c.put(0x5d, 0x66, 0x5f, 0x72).short('failed');
  c.put(0xfa, 0x0f, 0x20, 0xc0, 0x0c, 0x01, 0x0f, 0x22, 0xc0);                                    // cli; CR0.PE = 1
  c.put(0xbb).word(8).put(0x8e, 0xdb, 0x8e, 0xc3);                                                // DS = ES = flat
  c.put(0x24, 0xfe, 0x0f, 0x22, 0xc0);                                                            // CR0.PE = 0: the limits stay
  c.put(0x31, 0xdb, 0x8e, 0xdb, 0x8e, 0xc3);                                                      // DS = ES = 0
  c.put(0x66, 0xbe).long(bufferSegment * 16).put(0x66, 0xb9).long(chunkSectors * sectorBytes / 4).put(0xf3, 0x66, 0x67, 0xa5); // rep movsd, 32-bit addresses
  c.put(0x66, 0x83, 0x06).address('lba').put(chunkSectors, 0xc3);                                 // add dword [lba], 64; ret
  c.label('failed');
  c.put(0xf4, 0xeb).short('failed');

  c.label('packet');
  c.put(16, 0).word(chunkSectors).word(0).word(bufferSegment);
  c.label('lba');
  c.quad(0);
  c.label('drive');
  c.put(0);
  c.label('flatGdtr');
  c.word(15).address('flatGdt').word(0);
  c.label('flatGdt');
  c.quad(0).quad(0x00cf_9300_0000_ffffn);
  c.label('gdtr');
  c.word(Number(value('gdtr.limit'))).long(value('gdtr.base'));
  const bytes = c.finish();
  if (bytes.length > 510) throw new Error('the boot sector is too long');
  const sector = new Uint8Array(sectorBytes);
  sector.set(bytes);
  sector.set([0x55, 0xaa], 510);
  return sector;
}
