// Call frame instructions (DWARF 5, 6.4.2 'Call Frame Instructions'): run from the start of a function up to an address, they give one
// row of the unwinding table. Rules name registers by their DWARF numbers.

import { ByteReader } from '../byte-reader';
import { SymbolError } from '../symbol-error';
import type { FrameDescription } from './call-frame-information';

export type CfaRule =
  | { readonly kind: 'register'; readonly register: number; readonly offset: number }
  | { readonly kind: 'expression'; readonly expression: Uint8Array };

/** How a register of the caller is found. `offset` counts from the canonical frame address. */
export type RegisterRule =
  | { readonly kind: 'undefined' }
  | { readonly kind: 'sameValue' }
  | { readonly kind: 'savedAt'; readonly offset: number }
  | { readonly kind: 'valueIs'; readonly offset: number }
  | { readonly kind: 'register'; readonly register: number }
  | { readonly kind: 'savedAtExpression'; readonly expression: Uint8Array }
  | { readonly kind: 'valueIsExpression'; readonly expression: Uint8Array };

/** The rules in effect for addresses from `start` to before `end` (link-time). */
export interface UnwindRow {
  readonly start: bigint;
  readonly end: bigint;
  readonly cfa: CfaRule;
  readonly rules: ReadonlyMap<number, RegisterRule>;
  readonly returnRegister: number;
  readonly isSignalFrame: boolean;
}

const DEEPEST_REMEMBER = 64;
const HIGHEST_REGISTER = 1024;
/** Remembering copies the rules, so that its cost is bounded too. */
const MOST_REMEMBERS = 10_000;

/** Runs a description's instructions up to `address`. Throws SymbolError for an unknown instruction or a row without a frame address. */
export function runFrameProgram(description: FrameDescription, address: bigint): UnwindRow {
  const { common } = description;
  const state = new FrameState();
  const target = Number(address - description.start);
  state.run(description, common.instructions, Infinity, undefined);
  const initial = state.rules;
  state.rules = new Map(initial);
  state.location = 0;
  state.rowStart = 0;
  const end = state.run(description, description.instructions, target, initial);
  if (!state.cfa) throw new SymbolError('no rule gives the frame address', 'call frame information');
  return {
    start: description.start + BigInt(state.rowStart),
    end: end === undefined ? description.end : description.start + BigInt(end),
    cfa: state.cfa, rules: state.rules, returnRegister: common.returnRegister, isSignalFrame: common.isSignalFrame,
  };
}

class FrameState {
  cfa: CfaRule | undefined;
  rules = new Map<number, RegisterRule>();
  location = 0;
  rowStart = 0;
  private readonly remembered: { cfa: CfaRule | undefined; rules: Map<number, RegisterRule> }[] = [];
  private remembersLeft = MOST_REMEMBERS;

  /** Runs until an advance passes `target`, whose location is then returned, or to the end. */
  run({ start, common }: FrameDescription, bytes: Uint8Array, target: number, initial: ReadonlyMap<number, RegisterRule> | undefined): number | undefined {
    const reader = new ByteReader(bytes, 'call frame instructions');
    const { codeAlignment, dataAlignment, addressSize } = common;
    const advance = (delta: number): boolean => {
      const next = this.location + delta * codeAlignment;
      if (next > target) {
        this.location = next;
        return true;
      }
      this.location = this.rowStart = next;
      return false;
    };
    const set = (register: number, rule: RegisterRule): void => {
      if (register > HIGHEST_REGISTER) throw reader.error(`register ${register} does not exist`);
      this.rules.set(register, rule);
    };
    const savedAt = (register: number, factored: number): void => set(register, { kind: 'savedAt', offset: factored * dataAlignment });
    const restore = (register: number): void => {
      const rule = initial?.get(register);
      if (rule) this.rules.set(register, rule);
      else this.rules.delete(register);
    };
    const changeCfa = (change: { register?: number; offset?: number }): void => {
      if (this.cfa?.kind !== 'register') throw reader.error('the frame address is not a register with an offset');
      this.cfa = { ...this.cfa, ...change };
    };

    while (reader.remaining > 0) {
      const byte = reader.u8();
      const low = byte & 0x3f;
      let passed = false;
      switch (byte & 0xc0) {
        case 0x40: passed = advance(low); break;
        case 0x80: savedAt(low, reader.uleb()); break;
        case 0xc0: restore(low); break;
        default:
          switch (low) {
            case 0x00: break; // nop
            case 0x01: { // set_loc
              const to = Number(reader.unsigned(addressSize) - start);
              passed = to > target;
              this.location = to;
              if (!passed) this.rowStart = to;
              break;
            }
            case 0x02: passed = advance(reader.u8()); break;
            case 0x03: passed = advance(reader.u16()); break;
            case 0x04: passed = advance(reader.u32()); break;
            case 0x05: savedAt(reader.uleb(), reader.uleb()); break; // offset_extended
            case 0x06: restore(reader.uleb()); break; // restore_extended
            case 0x07: set(reader.uleb(), { kind: 'undefined' }); break;
            case 0x08: set(reader.uleb(), { kind: 'sameValue' }); break;
            case 0x09: set(reader.uleb(), { kind: 'register', register: reader.uleb() }); break;
            case 0x0a: // remember_state
              if (this.remembered.length >= DEEPEST_REMEMBER || this.remembersLeft-- <= 0) throw reader.error('too many states are remembered');
              this.remembered.push({ cfa: this.cfa, rules: new Map(this.rules) });
              break;
            case 0x0b: { // restore_state
              const state = this.remembered.pop();
              if (!state) throw reader.error('a state is restored that was not remembered');
              this.cfa = state.cfa;
              this.rules = state.rules;
              break;
            }
            case 0x0c: this.cfa = { kind: 'register', register: reader.uleb(), offset: reader.uleb() }; break; // def_cfa
            case 0x0d: changeCfa({ register: reader.uleb() }); break;
            case 0x0e: changeCfa({ offset: reader.uleb() }); break;
            case 0x0f: this.cfa = { kind: 'expression', expression: reader.block(reader.uleb()) }; break;
            case 0x10: set(reader.uleb(), { kind: 'savedAtExpression', expression: reader.block(reader.uleb()) }); break;
            case 0x11: savedAt(reader.uleb(), reader.sleb()); break; // offset_extended_sf
            case 0x12: this.cfa = { kind: 'register', register: reader.uleb(), offset: reader.sleb() * dataAlignment }; break; // def_cfa_sf
            case 0x13: changeCfa({ offset: reader.sleb() * dataAlignment }); break;
            case 0x14: set(reader.uleb(), { kind: 'valueIs', offset: reader.uleb() * dataAlignment }); break;
            case 0x15: set(reader.uleb(), { kind: 'valueIs', offset: reader.sleb() * dataAlignment }); break;
            case 0x16: set(reader.uleb(), { kind: 'valueIsExpression', expression: reader.block(reader.uleb()) }); break;
            case 0x2e: reader.skipLeb(); break; // GNU_args_size
            case 0x2f: savedAt(reader.uleb(), -reader.uleb()); break; // GNU_negative_offset_extended
            default: throw reader.error(`call frame instruction 0x${low.toString(16)} is unknown`, reader.position - 1);
          }
      }
      if (passed) return this.location;
    }
    return undefined;
  }
}
