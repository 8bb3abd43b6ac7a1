// The code of contexts as the steps see it, out of images and frames. Addresses are those of the running program.
import type { SymbolFile } from '../../symbols/symbol-file';
import type { ImageMap } from '../images/image-map';
import type { StackFrames } from '../images/stack-frames';
import type { CodeMap } from '../run-control/plan';

export function codeMap(images: ImageMap, frames: StackFrames): CodeMap {
  return {
    lineAt(context, rip) {
      const mapped = images.at(context, rip), row = mapped?.image.symbols.lineAt(BigInt.asUintN(64, rip - mapped.bias));
      return row && { file: row.file, line: row.line, address: BigInt.asUintN(64, row.address + mapped!.bias), isStatement: row.isStatement };
    },
    framesAt(context, rip) {
      const mapped = images.at(context, rip);
      return mapped?.image.symbols.sourceFramesAt(BigInt.asUintN(64, rip - mapped.bias)).reverse()
        .map(({ entry, location }) => ({ entry: BigInt.asUintN(64, entry + mapped.bias), file: location?.file ?? '', line: location?.line ?? 0 })) ?? [];
    },
    bodyOf(context, rip) {
      const mapped = images.at(context, rip);
      if (!mapped) return undefined;
      const body = bodyAddress(mapped.image.symbols, BigInt.asUintN(64, rip - mapped.bias));
      return body === undefined ? undefined : BigInt.asUintN(64, body + mapped.bias);
    },
    caller: context => frames.caller(context),
  };
}

function bodyAddress(symbols: SymbolFile, entry: bigint): bigint | undefined {
  const line = symbols.lineAt(entry);
  if (!line || line.line === 0) return undefined;
  const info = symbols.functionAt(entry);
  return info && info.address === entry ? symbols.breakAddress(info) : entry;
}
