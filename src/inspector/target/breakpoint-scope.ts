// What breakpoints ask of a machine and its images: their places, where those are in a level, conditions and the text of log points.
import { addressIn, placesOfFunction, placesOfLine, type ImagePlace } from '../images/breakpoint-places';
import type { ImageMap } from '../images/image-map';
import type { LevelTracker } from '../levels/level-tracker';
import { levelOfMode } from '../run-control/armed-filters';
import type { BoundPlace, BreakpointScope } from '../run-control/code-breakpoints';
import type { LevelMemory } from '../translation/level-memory';
import type { TargetEvent } from '../target-types';
import { parseAddress } from './addresses';
import type { Evaluator } from './evaluator';

/** A place of a breakpoint with the place in the image that it came from; an instruction has none, only a level. */
interface ScopedPlace extends BoundPlace { readonly inImage?: ImagePlace }

/** The mode of breakpoints that hold at every level. */
export const everyLevel = 'any';

function physicalPlace(address: bigint | undefined, what: string): ScopedPlace {
  if (address === undefined) throw new Error(`There is no memory at ${what} now.`);
  return { address, space: 'physical' };
}

export function breakpointScope(images: ImageMap, memory: LevelMemory, tracker: LevelTracker, evaluator: Evaluator, emit: (event: TargetEvent) => void): BreakpointScope {
  const inImage = (places: readonly ImagePlace[], level?: number): ScopedPlace[] => places.map(place => ({
    address: place.address, image: place.image.name, inImage: place, ...place.source !== undefined && { source: place.source }, ...place.line !== undefined && { line: place.line },
    ...level !== undefined && { level },
  }));
  /** Limits places to a level, or puts them where they are in host memory now: once for each level that has them. */
  const inMode = (places: readonly ScopedPlace[], mode: string | undefined): ScopedPlace[] => {
    const level = levelOfMode(mode);
    if (level !== undefined) return places.map(place => ({ ...place, level }));
    if (mode !== 'physical') return [...places];
    const found = places.flatMap(place => tracker.liveContexts.flatMap(context => {
      const linear = place.inImage && (place.level ?? context.level) === context.level ? addressIn(images, context, place.inImage) : undefined;
      const address = linear === undefined ? undefined : memory.physical(context, 'linear', linear), { source, line, image } = place;
      return address === undefined ? [] : [{ address, space: 'physical' as const, ...source !== undefined && { source }, ...line !== undefined && { line }, ...image !== undefined && { image } }];
    }));
    if (found.length === 0) throw new Error('No level has this code in memory now: set it again when one does.');
    return [...new Map(found.map(place => [place.address, place])).values()];
  };
  return {
    get contexts() { return tracker.liveContexts; },
    physical: (context, address) => memory.physical(context, 'linear', address),
    // another processor of the same level runs the image too, and is seen there for the first time
    visits(context, address) { if (images.inContext(context).length === 0) images.at(context, address); },
    places(kind, request, paths) {
      if (kind === 'instruction') {
        const { value, level, space } = parseAddress(request.instruction ?? '', request.offset ?? 0);
        if (space === 'physical') return [{ address: value, space }];
        const owner = tracker.liveContexts.find(context => context.level === level);
        if (space === 'guestPhysical') return [physicalPlace(owner && memory.physical(owner, space, value), `guest-physical 0x${value.toString(16)} of L${level}`)];
        if (request.mode === 'physical') return [physicalPlace(owner && memory.physical(owner, space, value), `linear 0x${value.toString(16)} of L${level}`)];
        return [{ address: value, ...request.mode !== everyLevel && { level: levelOfMode(request.mode) ?? level } }];
      }
      if (kind === 'function') {
        const [, level, name = ''] = /^(?:L(\d+)!)?(.*)$/s.exec(request.name?.trim() ?? '') ?? [], places = placesOfFunction(images.images, name);
        if (places.length === 0) throw new Error(`No image has a function ${name.slice(0, 80)}.`);
        return inMode(inImage(places, level === undefined ? undefined : Number(level)), request.mode);
      }
      // Of the paths that the client may mean, the first that an image knows.
      for (const path of paths) {
        const places = placesOfLine(images.images, path, request.line ?? 0);
        if (places.length > 0) return inMode(inImage(places), request.mode);
      }
      const known = paths.some(path => images.images.some(image => image.symbols.filesMatching(path).length > 0));
      throw new Error(known ? `There is no code at or after line ${request.line}.` : 'No image has code of this file.');
    },
    addressIn(context, place: ScopedPlace) {
      if (place.level !== undefined && place.level !== context.level) return undefined;
      return place.inImage ? addressIn(images, context, place.inImage) : place.address;
    },
    compile: text => evaluator.condition(text, false),
    format(expression, context) {
      try { return evaluator.text(expression, context); } catch (error) { return `<${error instanceof Error ? error.message : String(error)}>`; }
    },
    log: (text, { source, line }) => emit({ event: 'output', category: 'console', text: `${text}\n`, ...source !== undefined && { source }, ...line !== undefined && { line } }),
  };
}
