import { expect, test } from 'vitest';
import { declaration, sizeOf, strip, typeName, type CType } from '../../../src/symbols/types/c-type';

const int: CType = { kind: 'base', name: 'int', size: 4, encoding: 'signed' };
const pointer = (target: CType, symbol: '*' | '&' = '*'): CType => ({ kind: 'pointer', size: 8, symbol, target });
const array = (element: CType, count: number | 'unknown' = 4): CType => ({ kind: 'array', element, count, bound: undefined });
const qualified = (target: CType, qualifier: 'const' | 'volatile' = 'const'): CType => ({ kind: 'qualified', qualifier, target });
const callable = (returns: CType, ...parameters: CType[]): CType => ({ kind: 'function', returns, parameters, isVariadic: false, isPrototyped: true });
const node: CType = { kind: 'structure', keyword: 'struct', name: 'node', size: 24, members: [], isDeclaration: false };
const u64: CType = { kind: 'typedef', name: 'u64', target: { kind: 'base', name: 'unsigned long', size: 8, encoding: 'unsigned' } };

test.each<[CType, string, string, number | undefined]>([
  [int, 'int', 'int x', 4], [u64, 'u64', 'u64 x', 8], [pointer(node), 'struct node *', 'struct node *x', 8],
  [pointer(pointer(int)), 'int **', 'int **x', 8], [array(pointer(int)), 'int *[4]', 'int *x[4]', 32], [pointer(array(int)), 'int (*)[4]', 'int (*x)[4]', 8],
  [array(array(int, 3), 2), 'int [2][3]', 'int x[2][3]', 24], [array(int, 'unknown'), 'int []', 'int x[]', undefined],
  [pointer(callable({ kind: 'void' }, int, pointer(node))), 'void (*)(int, struct node *)', 'void (*x)(int, struct node *)', 8],
  [array(pointer(callable(int))), 'int (*[4])(void)', 'int (*x[4])(void)', 32], [callable(pointer(int), u64), 'int *(u64)', 'int *x(u64)', undefined],
  [pointer(qualified(int)), 'const int *', 'const int *x', 8], [qualified(pointer(int)), 'int *const', 'int *const x', 8],
  [qualified(qualified(int, 'volatile')), 'const volatile int', 'const volatile int x', 4], [qualified(pointer(callable(int))), 'int (*const)(void)', 'int (*const x)(void)', 8],
  [pointer(node, '&'), 'struct node &', 'struct node &x', 8], [{ kind: 'void' }, 'void', 'void x', undefined],
  [{ kind: 'structure', keyword: 'union', name: undefined, size: 4, members: [], isDeclaration: false }, 'union {...}', 'union {...} x', 4],
  [{ kind: 'structure', keyword: 'struct', name: 'opaque', size: 0, members: [], isDeclaration: true }, 'struct opaque', 'struct opaque x', undefined],
])('%#', (type, name, declared, size) => {
  expect([typeName(type), declaration(type, 'x'), sizeOf(type)]).toEqual([name, declared, size]);
});

test('types that refer to themselves end', () => {
  const loop = { kind: 'typedef', name: 'loop' } as { kind: 'typedef'; name: string; target: CType };
  loop.target = qualified(loop);
  expect([strip(loop).kind, sizeOf(loop)]).toEqual(['unknown', undefined]);
  const endless = { kind: 'pointer', size: 8, symbol: '*' } as { kind: 'pointer'; size: number; symbol: '*'; target: CType };
  endless.target = endless;
  expect(typeName(endless).length).toBeLessThan(200);
  const boxes = { kind: 'array', count: 2, bound: undefined } as { kind: 'array'; count: number; bound: undefined; element: CType };
  boxes.element = boxes;
  expect(sizeOf(boxes)).toBeUndefined();
});

test('the name of a type that doubles with every step is cut', () => {
  let type: CType = int;
  for (let step = 0; step < 40; step++) type = callable(type, pointer(type), type);
  const name = typeName(type);
  expect(name.length).toBeLessThan(40_000);
  expect(name).toContain('...');
});
