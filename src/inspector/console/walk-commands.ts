// `walk` and `ept`: the translation of an address entry by entry, through the paging of the level and the tables of every level below it.
import { linearWalk, physicalWalk } from '../target/walk-words';
import { levelNames, splitLevel, type ConsoleCommand } from './command';
import { placeOf } from './places';

export const walk: ConsoleCommand = {
  name: 'walk', usage: 'walk ADDRESS [at L2]', sentence: 'Translates a linear address: every paging entry, then every EPT entry of every level down to host memory.',
  run(argument, scope) {
    const { rest, level } = splitLevel(argument), place = placeOf(rest, scope, level);
    if (!place) return undefined;
    if (place.space === 'physical') throw new Error('a physical address is not translated');
    return place.space === 'linear' ? linearWalk(scope.session, place.context, place.address) : physicalWalk(scope.session, place.context, place.address);
  },
  complete: levelNames,
};

export const ept: ConsoleCommand = {
  name: 'ept', usage: 'ept GPA [at L2]', sentence: 'Translates a guest-physical address of a level: every EPT entry of every level down to host memory.',
  run(argument, scope) {
    const { rest, level } = splitLevel(argument), place = placeOf(rest, scope, level);
    if (!place) return undefined;
    if (place.context.level === 0) throw new Error('memory of L0 is host memory: name a level above, as in `ept 0x1000 at L1`');
    return physicalWalk(scope.session, place.context, place.address);
  },
  complete: levelNames,
};
