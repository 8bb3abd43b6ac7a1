// Node's engine follows the branch hints of WebAssembly modules by itself from V8 13.7 on, and before when it is asked to: code that goes through the
// software TLB then runs up to one and a half times as fast. An entry imports this before it makes a machine; the setting is the process's.
import { setFlagsFromString } from 'node:v8';

const [major, minor] = process.versions.v8.split('.').map(Number);
if (major < 13 || major === 13 && minor < 7) setFlagsFromString('--experimental-wasm-branch-hinting');
