// Translated code as the core sees it: which blocks run often (samples of the running block, taken whenever a short budget ends, and behind regions
// now and then), and which blocks enter a region that the translator has compiled. Such a block has the case TRANSLATED in its first record; a
// region goes as soon as code of one of its pages is dropped: its entry blocks then are what the decoder made of them.
import {
  BLOCK_ENTRY, BLOCK_HEADER, BLOCK_SAMPLES, BLOCK_SLOT, BLOCK_UNITS, ENTRY_BLOCK, ENTRY_CASE_ID, ENTRY_RETIRED, ENTRY_RUNS, ENTRY_UNITS,
  M_ARMED_END, M_BUDGET, M_DEADLINE, M_SLICE_END, M_TRANSLATION, M_TRANSLATION_REQUEST, REC_CASE_ID,
  REGION_CODE_HEAP, REGION_TRANSLATIONS, TRANSLATION_ENTRIES, TRANSLATION_ENTRY_BYTES, TRANSLATION_ENTRY_COUNT, TRANSLATION_MEMBER, TRANSLATION_PAGE_COUNT, TRANSLATION_PAGES, TRANSLATION_REFUSED,
  TRANSLATION_SLOT_BYTES, TRANSLATION_SLOTS, TRANSLATION_STATE,
} from './generated/layout';
import { CASE_TRANSLATED } from './generated/decoder';

@inline const LIVE: u32 = 1;
@inline const DEAD: u32 = 2;
@inline const LONGEST_BUDGET: u64 = 0x7fffffff;
/** Units between two samples: odd, so that loops do not keep step with it; the longest when all that is seen runs translated. */
@inline const SHORTEST_SLICE: u32 = 2039;
@inline const LONGEST_SLICE: u32 = 65_521;
/** The longest where what is seen is not to be translated, but other code may be. */
@inline const LONGEST_REFUSED_SLICE: u32 = 16_381;
/** Units of a run through a region, on average, that make it worth while. */
@inline const SHORTEST_RUN: u32 = 16;
/** Units of a run, on average, with which a region is large enough. */
@inline const LONG_RUN: u32 = 512;
@inline const PROBE: u64 = 97;
/** Samples that make a block hot. */
@inline const HOT: u32 = 3;
/** Where a region has the block already, at most: by then one of this part of all samples. A larger region costs the compiler much, and gains less. */
@inline const HOT_IN_REGION: u32 = 96;
@inline const HOT_SHARE: u32 = 64;

let slice: u32 = SHORTEST_SLICE;
/** Time of the next sample. */
let nextSample: u64 = 0;
let sampleDue: bool = false;
/** The sample is of what follows a region that was left. */
let behindRegion: bool = false;
/** Translated code has run since the last sample. */
let ranTranslated: bool = false;
/** Samples taken so far. */
let taken: u32 = 0;

@inline export function isTranslated(block: usize): bool { return load<u16>(block + BLOCK_HEADER + REC_CASE_ID) == CASE_TRANSLATED; }
/** Blocks of one run are not in the code heap: each time they are built anew. */
@inline function isTransient(block: usize): bool { return block < REGION_CODE_HEAP; }
@inline function always(): bool { return load<u32>(M_TRANSLATION) == 2; }

// ---- samples

/** The budget up to `end`, or to the next sample. */
export function sliceOf(now: u64, end: u64): u64 {
  // where something was due, the budget may have ended in the middle of a block: the sample is of a block that is reached a little later
  if (now >= nextSample || nextSample > now + LONGEST_SLICE) nextSample = now + PROBE;
  const budget = end > now ? min<u64>(end - now, load<u32>(M_TRANSLATION) == 1 ? nextSample - now : LONGEST_BUDGET) : 1;
  store<u64>(M_ARMED_END, end);
  store<u64>(M_SLICE_END, now + budget);
  return budget;
}
@inline function onlySliceEnds(): bool { return load<u64>(M_DEADLINE) == load<u64>(M_SLICE_END) && load<u64>(M_ARMED_END) > load<u64>(M_SLICE_END); }
/** A block does not fit in the budget: gives it more if nothing is due yet. */
export function extendSlice(): void {
  if (load<u32>(M_TRANSLATION) != 1 || !onlySliceEnds()) return;
  const deadline = load<u64>(M_DEADLINE), more = min<u64>(load<u64>(M_ARMED_END) - deadline, <u64>slice);
  store<u64>(M_DEADLINE, deadline + more);
  store<u64>(M_SLICE_END, deadline + more);
  store<i32>(M_BUDGET, load<i32>(M_BUDGET) + <i32>more);
  nextSample = deadline + more;
  sampleDue = true;
}
/**
 * The block that runs next will be sampled, which follows a run through a region. By time alone such a block may never be seen: a region is entered only
 * with the budget of its longest way, so that slices end in front of it, and seldom where it is left after a shorter one.
 */
function sampleBehindRegion(): void {
  const left = load<i32>(M_BUDGET);
  if (left <= 1 || load<u32>(M_TRANSLATION) != 1 || !onlySliceEnds()) return;
  const end = load<u64>(M_DEADLINE) - <u64>(left - 1);
  store<u64>(M_DEADLINE, end);
  store<u64>(M_SLICE_END, end);
  store<i32>(M_BUDGET, 1);
  behindRegion = true;
}
/** The block that runs next; true when it asks to be translated first: `run` leaves, and comes back. */
export function sample(block: usize): bool {
  if (!sampleDue && !always()) return false;
  const isBehind = behindRegion;
  sampleDue = behindRegion = false;
  if (load<u32>(M_TRANSLATION) == 0 || isTransient(block)) return false;
  const samples = load<u32>(block, BLOCK_SAMPLES);
  taken++;
  if (isTranslated(block)) {
    goesOnTranslated();
    if ((samples & TRANSLATION_REFUSED) != 0 || !runsAreShort(block)) return false;
    // the region is grown once more: the translator refuses if it has nothing to add
    return isHot(block, samples + 1, hotInRegion());
  }
  if (samples & TRANSLATION_REFUSED) { slice = min<u32>(slice << 1, LONGEST_REFUSED_SLICE); return false; }
  slice = SHORTEST_SLICE;
  // a region that was left in its middle for an interrupt or the end of a run, as was seen by time alone, will be entered again
  if ((samples & TRANSLATION_MEMBER) != 0 && ranTranslated && !isBehind) { ranTranslated = false; return false; }
  return isHot(block, samples + 1, always() ? 0 : (samples & TRANSLATION_MEMBER) != 0 ? hotInRegion() : HOT);
}
@inline function hotInRegion(): u32 { return min<u32>(max<u32>(HOT, taken / HOT_SHARE), HOT_IN_REGION); }
/** Asks for the translation of a block that has got so many samples, if they are enough. */
function isHot(block: usize, samples: u32, enough: u32): bool {
  store<u32>(block, samples, BLOCK_SAMPLES);
  if ((samples & ~TRANSLATION_MEMBER) < enough) return false;
  store<u32>(M_TRANSLATION_REQUEST, <u32>block);
  return true;
}
@inline function runsAreShort(block: usize): bool {
  const entry = entryOf(block);
  return load<u32>(entry, ENTRY_RETIRED) < LONG_RUN * load<u32>(entry, ENTRY_RUNS);
}
@inline function goesOnTranslated(): void {
  slice = min<u32>(slice << 1, LONGEST_SLICE);
  ranTranslated = true;
}
/** A region has come to a place where it must leave if there is no more budget than that; returns what there is. */
export function moreBudget(budget: i32): i32 {
  store<i32>(M_BUDGET, budget);
  goesOnTranslated();
  extendSlice();
  sampleDue = false;
  return load<i32>(M_BUDGET);
}
/** In tests that translate everything: a link to this block goes over `proceed`. */
export function mustBeSampled(block: usize): bool { return always() && !isTransient(block) && !isTranslated(block) && (load<u32>(block, BLOCK_SAMPLES) & TRANSLATION_REFUSED) == 0; }

// ---- regions

@inline function slotAt(n: u32): usize { return REGION_TRANSLATIONS + <usize>n * TRANSLATION_SLOT_BYTES; }

/** The entry of a region that a translated block stands for. */
@inline function entryOf(block: usize): usize {
  return <usize>load<u32>(slotAt(load<u32>(block, BLOCK_SLOT)) + TRANSLATION_ENTRIES) + <usize>(load<u32>(block, BLOCK_ENTRY) & 0xffff) * TRANSLATION_ENTRY_BYTES;
}
/** Gives the entry blocks of a region back to the interpreter. Its slot stays taken until the translator has let go of the module. */
export function dropTranslation(n: u32): void {
  const slot = slotAt(n);
  if (load<u32>(slot + TRANSLATION_STATE) != LIVE) return;
  store<u32>(slot + TRANSLATION_STATE, DEAD);
  let entry = <usize>load<u32>(slot + TRANSLATION_ENTRIES);
  for (let left = load<u32>(slot + TRANSLATION_ENTRY_COUNT); left != 0; left--, entry += TRANSLATION_ENTRY_BYTES) {
    if (load<u32>(entry, ENTRY_BLOCK) != 0) giveBack(entry, 0);
  }
}
function giveBack(entry: usize, samples: u32): void {
  const block = <usize>load<u32>(entry, ENTRY_BLOCK);
  store<u32>(entry, 0, ENTRY_BLOCK);
  store<u32>(block, load<u32>(entry, ENTRY_UNITS), BLOCK_UNITS);
  store<u32>(block, samples, BLOCK_SAMPLES);
  store<u32>(block, 0, BLOCK_SLOT);
  store<u32>(block, 0, BLOCK_ENTRY);
  store<u16>(block + BLOCK_HEADER + REC_CASE_ID, load<u16>(entry, ENTRY_CASE_ID));
}
/** A block no longer enters its region; that region goes with its last entry. */
export function releaseEntry(block: usize): void {
  const n = load<u32>(block, BLOCK_SLOT), slot = slotAt(n);
  giveBack(entryOf(block), 0);
  let entry = <usize>load<u32>(slot + TRANSLATION_ENTRIES);
  for (let left = load<u32>(slot + TRANSLATION_ENTRY_COUNT); left != 0; left--, entry += TRANSLATION_ENTRY_BYTES) if (load<u32>(entry, ENTRY_BLOCK) != 0) return;
  dropTranslation(n);
}
/** After so many runs from an entry: where they retire but a few units each, going in and out costs more than interpreting; and what is it that follows? */
export function judgeEntry(entry: usize): void {
  const worthIt = load<u32>(entry, ENTRY_RETIRED) >= SHORTEST_RUN * load<u32>(entry, ENTRY_RUNS);
  store<u32>(entry, 0, ENTRY_RUNS);
  store<u32>(entry, 0, ENTRY_RETIRED);
  if (!worthIt && load<u32>(entry, ENTRY_BLOCK) != 0 && !always()) giveBack(entry, TRANSLATION_REFUSED);
  sampleBehindRegion();
}
/** All regions with code of a RAM page. */
export function dropTranslationsOf(page: u32): void {
  for (let n: u32 = 0; n < TRANSLATION_SLOTS; n++) {
    const slot = slotAt(n);
    if (load<u32>(slot + TRANSLATION_STATE) != LIVE) continue;
    for (let k: u32 = 0; k < load<u32>(slot + TRANSLATION_PAGE_COUNT); k++) {
      if (load<u32>(slot + TRANSLATION_PAGES + (<usize>k << 2)) == page) { dropTranslation(n); break; }
    }
  }
}
/** The code heap is emptied: no block is left to enter a region. */
export function dropAllTranslations(): void {
  for (let n: u32 = 0; n < TRANSLATION_SLOTS; n++) if (load<u32>(slotAt(n) + TRANSLATION_STATE) == LIVE) store<u32>(slotAt(n) + TRANSLATION_STATE, DEAD);
}
