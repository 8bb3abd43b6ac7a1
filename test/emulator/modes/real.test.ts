import { expect, it } from 'vitest';
import { real } from './program';

it('stack, near call and loop of 16 bits', async () => {
  // mov ax,1234h; push ax; pop bx; mov cx,3; l: loop l ; call f; hlt; f: mov dx,5678; ret
  const r = await real({ code: 'b83412 50 5b b90300 e2fe e80100 f4 ba7856 c3' });
  expect(r.kind).toBe('idle');
  expect(r.get('rbx')).toBe(0x1234);
  expect(r.get('rcx')).toBe(0);
  expect(r.get('rdx')).toBe(0x5_5678);
  expect(r.get('rsp')).toBe(0x7c00);
});
