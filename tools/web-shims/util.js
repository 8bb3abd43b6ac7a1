// Node's `util`, as far as iced-x86 uses it: the coders that browsers have too.
export const TextDecoder = globalThis.TextDecoder;
export const TextEncoder = globalThis.TextEncoder;
