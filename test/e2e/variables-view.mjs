// The Variables view, driven as a user would: its list holds only the rows that can be seen, and may be drawn anew at any time.

import { until } from './workbench.mjs';

/** The row of the Variables view that begins so, scrolled into view. */
export async function reveal({ workbench: { page } }, name) {
  const found = page.locator('.debug-variables .monaco-list-row').filter({ hasText: name }).first(), list = await page.locator('.debug-variables').boundingBox();
  for (let turn = 0; turn < 40 && !await found.isVisible(); turn++) {
    await page.mouse.move(list.x + list.width / 2, list.y + list.height / 2);
    await page.mouse.wheel(0, turn < 20 ? 150 : -300);
    await page.waitForTimeout(100);
  }
  await found.waitFor({ timeout: 5000 });
  return found;
}

/** Opens rows one below the other. The view may be drawn anew under a click: then it is made again. */
export async function open(context, ...names) {
  for (const name of names) {
    await until(`the children of ${name}`, async () => {
      const found = await reveal(context, name);
      if (await found.getAttribute('aria-expanded') === 'true') return true;
      await found.click();
      await context.workbench.page.waitForTimeout(500);
      return await found.getAttribute('aria-expanded') === 'true';
    });
  }
}
