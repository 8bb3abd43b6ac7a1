// `npm run bench`: how fast the engine is, side by side with Debian's Bochs where that is installed (same image, same passes, checksums
// compared). Figures are the best of several rounds in processor time. `-- --json` prints one object and nothing else on standard output.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bochsVersion, measureOnBochs } from './bochs.mjs';
import { image, measure, root } from './engine.mjs';
import { steadyState } from './stack.mjs';

const json = process.argv.includes('--json');
const loops = ['sum', 'xorshift', 'collatz', 'sieve', 'copy', 'chase', 'fib', 'indirect', 'cross-page'];
const trips = { cpuidExit: 'cpuid-exit', eptViolation: 'ept-violation', pageFault: 'page-fault' };
/** Instructions of one round of a loop, rounds; thousands of round trips in one round. */
const loopUnits = 30_000_000, loopRounds = 6, bochsRounds = 3, tripPasses = 40, tripRounds = 60;
/** The same on Bochs: long enough that its serial lines arrive one by one. */
const bochsTripPasses = { cpuidExit: 25, eptViolation: 25, pageFault: 400 };

const say = (text = '') => { if (!json) console.log(text); };
const best = rounds => Math.min(...rounds.map(r => r.ms));
const geometricMean = values => Math.exp(values.reduce((sum, v) => sum + Math.log(v), 0) / values.length);
const digits = (value, n = 0) => value === null ? '-' : value.toFixed(n);
const child = what => JSON.parse(execFileSync(process.execPath, [join(dirname(fileURLToPath(import.meta.url)), 'start-up.mjs'), what], { encoding: 'utf8' }));

// passes that make about `loopUnits` instructions, from one short run of each loop
const passes = {}, units = {}, ours = {}, translated = {}, checksums = {};
for (const name of loops) {
  const [short] = await measure(`${name}=1`), [longer] = await measure(`${name}=9`);
  passes[name] = Math.max(1, Math.round(loopUnits / ((longer.units - short.units) / 8)));
}
say(`Node ${process.versions.node}, ${cpus()[0].model}`);
for (const name of loops) {
  const line = `${name}=${passes[name]} rounds=${loopRounds}`, rounds = await measure(line, { translator: 'off' }), fast = await measure(line, { translator: 'on' });
  units[name] = rounds[0].units;
  checksums[name] = rounds[0].checksum;
  ours[name] = rounds[0].units / best(rounds) / 1000;
  translated[name] = fast[0].units / best(fast) / 1000;
  const asked = `${checksums[name]} in ${units[name]} units`, computed = `${fast[0].checksum} in ${fast[0].units} units`;
  if (computed !== asked) throw new Error(`${name}: the translator computes ${computed}, the interpreter ${asked}`);
}
const ourTrips = {}, recordedTrips = {};
for (const [key, name] of Object.entries(trips)) {
  const nanoseconds = async records => best(await measure(`${name}=${tripPasses} rounds=${tripRounds}`, { records })) * 1e6 / (tripPasses * 1000);
  ourTrips[key] = await nanoseconds(false);
  recordedTrips[key] = await nanoseconds(true);
}

let version = bochsVersion();
const theirs = {}, theirTrips = {};
if (version) {
  const line = [...loops.map(name => `${name}=${passes[name]}`), ...Object.entries(trips).map(([key, name]) => `${name}=${bochsTripPasses[key]}`), `rounds=${bochsRounds}`].join(' ');
  const rounds = await measureOnBochs(image('bench.elf'), line).catch(error => {
    console.error(`no comparison: ${error.message}; Debian's Bochs needs the package bochs-term where there is no screen`);
    version = undefined;
    return [];
  });
  for (const name of version ? loops : []) {
    const mine = rounds.filter(r => r.name === name);
    if (mine.some(r => r.checksum !== checksums[name])) throw new Error(`${name}: Bochs computes ${mine[0].checksum}, we ${checksums[name]}`);
    theirs[name] = units[name] / best(mine) / 1000;
  }
  for (const [key, name] of version ? Object.entries(trips) : []) theirTrips[key] = best(rounds.filter(r => r.name === name)) * 1e6 / (bochsTripPasses[key] * 1000);
}

const hasStack = existsSync(join(root, 'guests/images/hypervisor.elf'));
const three = hasStack ? await steadyState(3, 80_000, { options: 'shadowing=on' }) : null, five = hasStack ? await steadyState(5, 50) : null;
const startMs = Math.min(...Array.from({ length: 5 }, () => child('start').startMs)), { overheadMb } = child('memory');
const ratios = version ? loops.map(name => ours[name] / theirs[name]) : null, fastRatios = version ? loops.map(name => translated[name] / theirs[name]) : null;

const round = (value, n = 2) => value === null ? null : Number(value.toFixed(n));
const result = {
  interpreterVsBochs: ratios && round(geometricMean(ratios)), interpreterMips: Object.fromEntries(loops.map(name => [name, round(ours[name], 1)])),
  translatorMips: Object.fromEntries(loops.map(name => [name, round(translated[name], 1)])), translatorVsBochs: fastRatios && round(geometricMean(fastRatios)),
  exitRoundTripNs: round(ourTrips.cpuidExit, 0), faultRoundTripNs: round(Math.max(ourTrips.pageFault, ourTrips.eptViolation), 0),
  stackedExitsPerSecond: three && round(three.exitsPerSecond, 0), fiveDeepCpuidSeconds: five && round(five.secondsPerRound, 4),
  engineStartMs: round(startMs, 1), overheadMb: round(overheadMb, 1),
  // beside the named figures: what they are made of
  pageFaultNs: round(ourTrips.pageFault, 0), eptViolationNs: round(ourTrips.eptViolation, 0),
  recordedNs: Object.fromEntries(Object.keys(trips).map(key => [key, round(recordedTrips[key], 0)])), bochs: version ?? null,
  bochsMips: version ? Object.fromEntries(loops.map(name => [name, round(theirs[name], 1)])) : null,
};
if (json) console.log(JSON.stringify(result));
else {
  say(version ? `beside ${version}` : 'Bochs is not installed: no ratios');
  say(`\nmillions of instructions a second${' '.repeat(4)}interpreter translator${version ? '    Bochs        ratios' : ''}`);
  for (const [n, name] of loops.entries()) {
    const beside = version ? digits(theirs[name]).padStart(9) + digits(ratios[n], 2).padStart(7) + digits(fastRatios[n], 2).padStart(7) : '';
    say(`  ${name.padEnd(34)}${digits(ours[name]).padStart(11)}${digits(translated[name]).padStart(11)}${beside}`);
  }
  if (ratios) say(`  ${'geometric mean'.padEnd(65)}${digits(result.interpreterVsBochs, 2).padStart(7)}${digits(result.translatorVsBochs, 2).padStart(7)}`);
  const names = { cpuidExit: 'CPUID exit, handler, re-entry', eptViolation: 'EPT violation, handler, re-entry', pageFault: 'page fault, handler, IRET' };
  say(`\nnanoseconds for a round trip${' '.repeat(12)}alone   recorded${version ? '    Bochs   ratio' : ''}`);
  for (const key of Object.keys(trips)) {
    const theirs = version ? digits(theirTrips[key]).padStart(9) + digits(theirTrips[key] / ourTrips[key], 2).padStart(8) : '';
    say(`  ${names[key].padEnd(34)}${digits(ourTrips[key]).padStart(11)}${digits(recordedTrips[key]).padStart(11)}${theirs}`);
  }
  if (three && five) {
    say(`\nthree hypervisors, VMCS shadowing on: ${digits(three.exitsPerSecond)} exits a second, ${digits(three.exitsPerRound)} for one CPUID of the guest`);
    say(`five hypervisors: one CPUID takes ${digits(five.secondsPerRound * 1000, 1)} ms, ${digits(five.exitsPerRound)} exits`);
  }
  say(`\nengine start ${digits(startMs)} ms; memory beyond guest RAM ${digits(overheadMb)} MB`);
}
process.exit(0);
