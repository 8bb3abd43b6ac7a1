// Reads the regular files of a tar archive held in memory: ustar headers, pax extended headers ('x') and GNU long names ('L').
// No Debian, macOS or Windows tool is needed to unpack what npm delivers.

const block = 512;

/** Yields { name, content } for every regular file of the archive, in its order. Throws on a header whose checksum is wrong. */
export function* readTar(archive) {
  let longName;
  for (let offset = 0; offset + block <= archive.length;) {
    const header = archive.subarray(offset, offset + block);
    if (header.every((byte) => byte === 0)) return;
    assertChecksum(header, offset);
    const size = octal(header, 124, 12);
    const content = archive.subarray(offset + block, offset + block + size);
    const type = String.fromCharCode(header[156]);
    if (type === 'x') longName = paxPath(content) ?? longName;
    else if (type === 'L') longName = text(content, 0, content.length);
    else {
      if (type === '0' || type === '\0') yield { name: longName ?? ustarName(header), content };
      longName = undefined;
    }
    offset += block + Math.ceil(size / block) * block;
  }
}

function ustarName(header) {
  const prefix = text(header, 345, 155);
  const name = text(header, 0, 100);
  return prefix ? `${prefix}/${name}` : name;
}

/** A pax record is '<length> <key>=<value>\n', where the length counts the whole record. */
function paxPath(content) {
  for (let offset = 0; offset < content.length;) {
    const space = content.indexOf(0x20, offset);
    const length = Number(content.toString('latin1', offset, space));
    if (!(length > 0)) return undefined;
    const [key, value] = splitOnce(content.toString('utf8', space + 1, offset + length - 1), '=');
    if (key === 'path') return value;
    offset += length;
  }
  return undefined;
}

function splitOnce(record, separator) {
  const at = record.indexOf(separator);
  return [record.slice(0, at), record.slice(at + 1)];
}

function text(bytes, start, length) {
  const end = bytes.indexOf(0, start);
  return bytes.toString('utf8', start, end < 0 || end > start + length ? start + length : end);
}

function octal(bytes, start, length) {
  return parseInt(text(bytes, start, length).trim() || '0', 8);
}

/** The checksum is the sum of the header's bytes with the checksum field itself read as spaces. */
function assertChecksum(header, offset) {
  let sum = 0;
  for (let i = 0; i < block; i++) sum += i >= 148 && i < 156 ? 0x20 : header[i];
  if (sum !== octal(header, 148, 8)) throw new Error(`Not a tar archive: wrong header checksum at byte ${offset}.`);
}
