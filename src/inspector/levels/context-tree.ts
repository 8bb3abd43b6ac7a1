// The tree of contexts itself: births, moves and ends, and the list of changes for those who show it.
import { VmcsSpace } from './believed-vmcs';
import { Context } from './context';
import { guestField, holderOf } from './entry-match';
import { word } from './event-words';

/** A change of the tree. `moved`: to another vCPU, or under another parent. */
export interface ContextChange { readonly kind: 'born' | 'ended' | 'moved'; readonly context: Context }

export class ContextTree {
  /** Every context ever, by id - 1. */
  readonly all: Context[] = [];
  /** Contexts above L0 that have not ended. */
  live: Context[] = [];
  revision = 0;
  private changes: ContextChange[] = [];

  get nextId(): number { return this.all.length + 1; }
  takeChanges(): readonly ContextChange[] {
    const taken = this.changes;
    this.changes = [];
    return taken;
  }

  /** A new guest of `parent`, as the entry record at `words[at]` starts it. */
  born(parent: Context, key: number, words: Uint32Array, at: number, vcpu: number, time: number): Context {
    // vCPUs of one virtual machine share its memory: the same EPT pointer, and above level 1 by the parent's own word.
    const believedEptp = parent.intent?.vmcs?.field(guestField.eptp)?.value;
    const usesEpt = parent.level === 0 ? words[at + word.b] !== 0 || words[at + word.b + 1] !== 0 : (believedEptp ?? 0n) !== 0n;
    const brother = usesEpt ? this.live.find(c => c.parent?.space === parent.space && c.key !== key && c.believedEptp === believedEptp && sameEptp(c, words, at)) : undefined;
    const context = this.add(new Context(this.nextId, vcpu, parent.level + 1, parent, key, brother ? brother.space : new VmcsSpace(), time));
    if (key !== -1) parent.space.children.set(key, context);
    context.believedEptp = believedEptp;
    return context;
  }

  add(context: Context): Context {
    this.all.push(context);
    if (context.level > 0) this.live.push(context);
    this.changes.push({ kind: 'born', context });
    this.revision++;
    return context;
  }

  /** Moves a context to the vCPU and under the parent that entered it now (`entering` where its intent was matched). */
  place(context: Context, root: Context, entering: Context | undefined): void {
    const number = root.vcpu;
    const holder = context.level === 1 ? root : entering ?? holderOf(context, this.live) ?? context.parent;
    if (holder === context.parent && context.vcpu === number) return;
    if (holder !== context.parent) {
      context.parent = holder;
      this.changed('moved', context);
    }
    // A whole virtual processor moves with its guests; where only its parent is elsewhere, the levels below move too.
    let base = context;
    while (base.level > 1 && base.parent!.vcpu !== number && base.parent!.state !== 'executing') base = base.parent!;
    if (base.level === 1) base.parent = root;
    for (const c of this.live) {
      if (c.vcpu === number || c.state === 'executing' || c !== base && !base.isBelow(c)) continue;
      c.vcpu = number;
      this.changed('moved', c);
    }
  }
  /** Ends a context and everything inside it. */
  end(context: Context, time: number): void {
    for (const child of this.live.filter(c => c.parent === context)) this.end(child, time);
    context.state = 'ended';
    context.suspension = 'none';
    context.endedTime = time;
    context.intent = undefined;
    this.live = this.live.filter(c => c !== context);
    if (context.parent?.space.children.get(context.key) === context) context.parent.space.children.delete(context.key);
    this.changed('ended', context);
  }

  private changed(kind: ContextChange['kind'], context: Context): void {
    this.changes.push({ kind, context });
    this.revision++;
  }
}

export const sameEptp = (context: Context, words: Uint32Array, at: number): boolean => context.eptpLow === words[at + word.b] && context.eptpHigh === words[at + word.b + 1];
