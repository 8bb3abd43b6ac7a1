// Draws media/icon.png: frames within frames, each level of virtualization inside the last, and the bright one at the bottom.
// Drawn from signed distances with 4 x 4 samples a pixel; written as PNG with nothing but zlib.

import { writeFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { deflateSync } from 'node:zlib';

const iconFile = new URL('../media/icon.png', import.meta.url);
const size = 128;
const samples = 4;

/** Centre, half width, corner radius, line width and colour of each frame, from the outermost in; the centres sink, as if seen from above. */
const frames = [
  { y: 64, half: 46, radius: 12, line: 5.5, colour: [74, 108, 196] },
  { y: 67, half: 32, radius: 9, line: 5, colour: [88, 160, 226] },
  { y: 70, half: 19.5, radius: 6.5, line: 4.5, colour: [116, 214, 232] },
];
const core = { y: 72.5, half: 7.5, radius: 3, colour: [255, 209, 102] };
const ground = { half: 62, radius: 26, top: [30, 44, 84], bottom: [12, 18, 38] };

/** Signed distance from a point to a square with rounded corners around (64, y): negative inside. */
function roundedSquare(px, py, { y, half, radius }) {
  const dx = Math.abs(px - size / 2) - half + radius;
  const dy = Math.abs(py - y) - half + radius;
  return Math.hypot(Math.max(dx, 0), Math.max(dy, 0)) + Math.min(Math.max(dx, dy), 0) - radius;
}

/** Colour and alpha of one point, 0 to 255. */
function colourAt(x, y) {
  if (roundedSquare(x, y, { y: size / 2, half: ground.half, radius: ground.radius }) > 0) return [0, 0, 0, 0];
  if (roundedSquare(x, y, core) <= 0) return [...core.colour, 255];
  const frame = frames.find((each) => Math.abs(roundedSquare(x, y, each)) <= each.line / 2);
  if (frame) return [...frame.colour, 255];
  // Each frame darkens what it holds: depth.
  const depth = frames.filter((each) => roundedSquare(x, y, each) < 0).length;
  const t = y / size;
  return [...ground.top.map((top, i) => (top + (ground.bottom[i] - top) * t) * (1 - 0.22 * depth)), 255];
}

function pixels() {
  const bytes = Buffer.alloc(size * (size * 4 + 1));
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const sum = [0, 0, 0, 0];
      for (let s = 0; s < samples * samples; s++) {
        const [r, g, b, a] = colourAt(x + (s % samples + 0.5) / samples, y + (Math.floor(s / samples) + 0.5) / samples);
        [r, g, b].forEach((value, i) => sum[i] += value * a);
        sum[3] += a;
      }
      const offset = y * (size * 4 + 1) + 1 + x * 4;
      for (let i = 0; i < 3; i++) bytes[offset + i] = sum[3] === 0 ? 0 : Math.round(sum[i] / sum[3]);
      bytes[offset + 3] = Math.round(sum[3] / (samples * samples));
    }
  }
  return bytes;
}

/** The cyclic redundancy check of a PNG chunk: CRC-32 with the reflected polynomial. */
function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}

/** The bytes of the PNG: 8-bit RGBA, no filter. */
export function icon() {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  header.set([8, 6, 0, 0, 0], 8);
  const data = deflateSync(pixels(), { level: 9 });
  return Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), chunk('IHDR', header), chunk('IDAT', data), chunk('IEND', Buffer.alloc(0))]);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await writeFile(iconFile, icon());
