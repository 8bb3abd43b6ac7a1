// What breakpoints ask of a machine and its images: their places, where those are in a level, conditions and the text of log points.
import { addressIn, placesOfFunction, placesOfLine, type ImagePlace } from '../images/breakpoint-places';
import type { ImageMap } from '../images/image-map';
import type { LevelTracker } from '../levels/level-tracker';
import type { BoundPlace, BreakpointScope } from '../run-control/code-breakpoints';
import type { TargetEvent } from '../target-types';
import { parseAddress } from './addresses';
import type { Evaluator } from './evaluator';

/** A place of a breakpoint with the place in the image that it came from; an instruction has none, only a level. */
interface ScopedPlace extends BoundPlace { readonly inImage?: ImagePlace }

export function breakpointScope(images: ImageMap, tracker: LevelTracker, evaluator: Evaluator, emit: (event: TargetEvent) => void): BreakpointScope {
  const inImage = (places: readonly ImagePlace[], level?: number): ScopedPlace[] => places.map(place => ({
    address: place.address, image: place.image.name, inImage: place, ...place.source !== undefined && { source: place.source }, ...place.line !== undefined && { line: place.line },
    ...level !== undefined && { level },
  }));
  return {
    get contexts() { return tracker.liveContexts; },
    places(kind, request, paths) {
      if (kind === 'instruction') {
        const { value, level, space } = parseAddress(request.instruction ?? '', request.offset ?? 0);
        if (space !== 'linear') throw new Error('Instructions have linear addresses: L2:0x101000.');
        return [{ address: value, level }];
      }
      if (kind === 'function') {
        const [, level, name = ''] = /^(?:L(\d+)!)?(.*)$/s.exec(request.name?.trim() ?? '') ?? [], places = placesOfFunction(images.images, name);
        if (places.length === 0) throw new Error(`No image has a function ${name.slice(0, 80)}.`);
        return inImage(places, level === undefined ? undefined : Number(level));
      }
      // Of the paths that the client may mean, the first that an image knows.
      for (const path of paths) {
        const places = placesOfLine(images.images, path, request.line ?? 0);
        if (places.length > 0) return inImage(places);
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
