// Where a file name in a launch configuration or in the adapter points: into the extension's own folder, to a URI, or to a path in the
// file system of the workspace. Invariant: nothing but a name with the `extension:` scheme reaches the extension's folder, and no such name leaves it.

export type FileLocation =
  | { kind: 'extension'; segments: string[] }
  | { kind: 'uri'; uri: string }
  | { kind: 'absolute'; path: string }
  | { kind: 'relative'; path: string };

/** Tells the four kinds of name apart. A drive letter (`C:\hv.elf`) is no scheme. Throws on an `extension:` name with `..` in it. */
export function locate(name: string): FileLocation {
  if (name.startsWith('extension:')) {
    const segments = name.slice('extension:'.length).split('/').filter((segment) => segment !== '' && segment !== '.');
    if (segments.includes('..')) throw new Error(`'${name}' is not a file of the extension.`);
    return { kind: 'extension', segments };
  }
  if (/^[A-Za-z][A-Za-z0-9+.-]+:/.test(name)) return { kind: 'uri', uri: name };
  if (name.startsWith('/') || /^[A-Za-z]:[\\/]/.test(name) || name.startsWith('\\\\')) return { kind: 'absolute', path: name };
  return { kind: 'relative', path: name };
}
