// From a path in debug information to a source that the client can open: a file of the workspace, a file where it was built, or text that the
// adapter answers itself (`sourceReference`). Paths of the debug information are called recorded paths. Each is looked up once.
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { AdapterHost } from './adapter-types';
import { UserError } from './user-errors';

export class Sources {
  private readonly resolved = new Map<string, Promise<DebugProtocol.Source>>();
  /** Recorded path by reference (1 + index). */
  private readonly references: string[] = [];
  /** Recorded path by path or URI at the client. */
  private readonly recorded = new Map<string, string>();
  private map: readonly (readonly [prefix: string, folder: string])[] = [];

  constructor(private readonly host: AdapterHost) {}

  /** Prefixes of recorded paths and the folders in their place; the longest prefix wins. */
  setMap(map: Readonly<Record<string, string>>): void {
    this.map = Object.entries(map).sort(([a], [b]) => b.length - a.length);
    this.resolved.clear();
  }

  resolve(recordedPath: string): Promise<DebugProtocol.Source> {
    let source = this.resolved.get(recordedPath);
    if (!source) this.resolved.set(recordedPath, source = this.find(recordedPath));
    return source;
  }

  /** Recorded paths that a source of the client may mean, the likeliest first. */
  candidates(source: { path?: string; sourceReference?: number }): string[] {
    if (source.sourceReference !== undefined && source.sourceReference > 0) {
      const path = this.references[source.sourceReference - 1];
      if (path !== undefined) return [path];
    }
    if (source.path === undefined) return [];
    const path = normalize(source.path), known = this.recorded.get(path);
    const mapped = this.map.flatMap(([prefix, folder]) => {
      const base = normalize(folder);
      return path === base || path.startsWith(withSlash(base)) ? [prefix + path.slice(base.length)] : [];
    });
    return [...new Set([...known === undefined ? [] : [known], ...mapped, path])];
  }

  /** Text of a source by reference or, for a client that remembers no references, by path. */
  async text(reference: number, path?: string): Promise<string> {
    const recordedPath = this.references[reference - 1] ?? path;
    if (recordedPath === undefined) throw new UserError('noSource', { path: String(reference) });
    for (const place of [`extension:/${relative(recordedPath)}`, recordedPath]) {
      const bytes = await this.read(place);
      if (bytes) return new TextDecoder().decode(bytes);
    }
    throw new UserError('noSource', { path: recordedPath });
  }

  private async find(recordedPath: string): Promise<DebugProtocol.Source> {
    const name = recordedPath.slice(recordedPath.lastIndexOf('/') + 1);
    for (const place of this.places(recordedPath)) {
      if (!await this.read(place)) continue;
      const path = place.startsWith('file://') ? pathOf(place) : place;
      this.recorded.set(normalize(path), recordedPath);
      return { name, path };
    }
    let reference = this.references.indexOf(recordedPath) + 1;
    if (reference === 0) reference = this.references.push(recordedPath);
    const ours = await this.read(`extension:/${relative(recordedPath)}`) !== undefined;
    return ours ? { name, path: recordedPath, sourceReference: reference, origin: 'part of the extension' }
      : { name, path: recordedPath, sourceReference: reference, origin: 'not found; see sourceMap', presentationHint: 'deemphasize' };
  }

  private places(recordedPath: string): string[] {
    const mapped = this.map.find(([prefix]) => recordedPath === prefix || recordedPath.startsWith(withSlash(prefix)));
    const places = mapped ? [mapped[1].replace(/[\\/]$/, '') + recordedPath.slice(mapped[0].replace(/\/$/, '').length)] : [];
    if (/^(\/|[A-Za-z]:[\\/])/.test(recordedPath)) return [...places, recordedPath];
    return [...places, ...(this.host.workspaceFolders ?? []).map(({ uri }) => `${withSlash(uri)}${relative(recordedPath)}`)];
  }

  private async read(place: string): Promise<Uint8Array | undefined> {
    try { return await this.host.readFile(place); } catch { return undefined; }
  }
}

const withSlash = (path: string): string => path.endsWith('/') ? path : `${path}/`;
const relative = (path: string): string => path.replace(/^(\.?\/)+/, '');

/** One spelling for a path or file URI of the client. */
function normalize(path: string): string {
  return (path.startsWith('file://') ? pathOf(path) : path).replaceAll('\\', '/').replace(/\/+$/, '');
}

function pathOf(uri: string): string {
  const path = decodeURIComponent(uri.replace(/^file:\/\/[^/]*/, ''));
  return /^\/[A-Za-z]:/.test(path) ? path.slice(1) : path;
}
