// From what a user writes (a source line, a function) to linear addresses in the levels whose images have it. One line may have code in several
// images, and an image may run in several levels, each at its own place.
import type { LineAddress } from '../../symbols/symbol-file';
import type { Context } from '../levels/context';
import type { ImageMap, KnownImage, MappedImage } from './image-map';

/** A place in an image, by link-time address; add the bias of the image in a level. */
export interface ImagePlace {
  readonly image: KnownImage;
  readonly address: bigint;
  readonly source?: string;
  readonly line?: number;
}

/** Where code of a line begins, in every image that has the file. `path`: a path of the user's workspace, matched to the images' by its end. */
export function placesOfLine(images: readonly KnownImage[], path: string, line: number): ImagePlace[] {
  return images.flatMap(image => image.symbols.filesMatching(path).flatMap(file => image.symbols.addressesOf(file, line).map((each: LineAddress): ImagePlace =>
    ({ image, address: each.address, source: each.file, line: each.line }))));
}

/** Where to stop in a function, after its prologue, in every image that has it. */
export function placesOfFunction(images: readonly KnownImage[], name: string): ImagePlace[] {
  return images.flatMap(image => image.symbols.functionsNamed(name).map((each): ImagePlace => {
    const address = image.symbols.breakAddress(each), line = image.symbols.lineAt(address);
    return { image, address, ...line && { source: line.file, line: line.line } };
  }));
}

/** The linear address of a place in a context that runs the image; undefined when the context does not, as far as is known. */
export function addressIn(map: ImageMap, context: Context, place: ImagePlace): bigint | undefined {
  const mapped = map.inContext(context).find((each: MappedImage) => each.image === place.image);
  return mapped && BigInt.asUintN(64, place.address + mapped.bias);
}
