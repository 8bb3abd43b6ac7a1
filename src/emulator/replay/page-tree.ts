// The contents of guest RAM at one instant, as an immutable tree of pages: a tree made from another shares every page that is the same, so
// that a snapshot costs what changed, and forgetting one is forgetting a reference. Absent pages are zero. Equal references mean equal contents.

/** Bytes of a page, never written again. */
export type Page = Uint8Array;
type Leaf = readonly (Page | undefined)[];

const leafBits = 7, leafPages = 1 << leafBits;

export class PageTree {
  static readonly empty = new PageTree([]);
  private constructor(private readonly leaves: readonly (Leaf | undefined)[]) {}

  /** The page with that number; undefined = zero. */
  page(n: number): Page | undefined { return this.leaves[n >> leafBits]?.[n & leafPages - 1]; }

  /** This tree with other pages in their places. `pages` ascends. */
  with(pages: ArrayLike<number>, contents: readonly (Page | undefined)[]): PageTree {
    if (pages.length === 0) return this;
    const leaves = this.leaves.slice();
    let index = -1, leaf: (Page | undefined)[] = [];
    for (let k = 0; k < pages.length; k++) {
      const n = pages[k]!;
      if (n >> leafBits !== index) {
        index = n >> leafBits;
        while (leaves.length <= index) leaves.push(undefined);
        leaf = leaves[index]?.slice() ?? new Array<Page | undefined>(leafPages).fill(undefined);
        leaves[index] = leaf;
      }
      leaf[n & leafPages - 1] = contents[k];
    }
    return new PageTree(leaves);
  }

  /** Calls `visit` for each page that is not the same object in the other tree. */
  differences(other: PageTree, visit: (n: number) => void): void {
    for (let index = 0; index < Math.max(this.leaves.length, other.leaves.length); index++) {
      const a = this.leaves[index], b = other.leaves[index];
      if (a === b) continue;
      for (let k = 0; k < leafPages; k++) if (a?.[k] !== b?.[k]) visit(index << leafBits | k);
    }
  }

  /** Pages of this tree that the other does not share. */
  ownPages(other: PageTree): number {
    let count = 0;
    this.differences(other, n => { if (this.page(n) !== undefined) count++; });
    return count;
  }
}
