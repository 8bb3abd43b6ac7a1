// `dis`: instructions at an address. Decoding is done by whoever shows the answer and has a disassembler; here stands what to decode.
import { levelNames, type ConsoleCommand } from './command';
import { placeOf, placeText, type CommandPlace } from './places';

const usual = 10, most = 1000;

export const dis: ConsoleCommand = {
  name: 'dis', usage: 'dis [ADDRESS] [n]', sentence: 'n instructions (10 if not said) at an address, else from where the level stands: dis, dis 20, dis handle_exit, dis L2:rip 5.',
  run(argument, scope) {
    const here: CommandPlace = { context: scope.frame.context, space: 'linear', address: scope.frame.address };
    // A number alone is a count, unless it is an address: no listing is that long.
    if (argument === '' || /^\d{1,4}$/.test(argument)) return listing(here, argument === '' ? usual : Number(argument));
    const [, address, digits] = /^(.+?)(?:\s+(\d{1,4}))?$/s.exec(argument)!, place = placeOf(address, scope);
    return place && listing(place, digits === undefined ? usual : Number(digits));
  },
  complete: levelNames,
};

function listing(place: CommandPlace, count: number): ReturnType<ConsoleCommand['run']> {
  if (place.space !== 'linear') throw new Error('instructions have linear addresses, as in `dis L2:0x101000`');
  return { text: `${placeText(place)} (no disassembler here)`, memory: placeText(place), listing: { reference: placeText(place), count: Math.min(most, Math.max(1, count)) } };
}
