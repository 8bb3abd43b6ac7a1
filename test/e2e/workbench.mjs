// The workbench as a user drives it: keys, clicks and what can be read on the screen. Nothing here knows the extension; what belongs to it is
// in scenario.mjs. Every wait has a limit, and says what it waited for.

const patience = 20_000;
const lastPartsAfterMs = 5_000;

/** Waits until `probe` returns something other than undefined and false; throws with `what` when it does not within `limit` ms. */
export async function until(what, probe, limit = patience) {
  const end = Date.now() + limit;
  let last;
  for (;;) {
    last = await probe().catch((error) => {
      last = error;
      return undefined;
    });
    if (last !== undefined && last !== false) return last;
    if (Date.now() > end) throw new Error(`Waited ${limit} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export class Workbench {
  constructor(page) {
    this.page = page;
  }

  async ready() {
    await this.page.waitForSelector('.monaco-workbench .part.statusbar', { timeout: 60_000 });
    await this.page.waitForSelector('.part.sidebar .pane-header', { timeout: 60_000 });
    // Some seconds after it is usable the workbench starts its last parts, among them the one that shows sources of a debug adapter.
    await this.page.waitForTimeout(lastPartsAfterMs);
  }

  /** Runs a command by its title in the command palette. */
  async command(title) {
    await this.page.keyboard.press('F1');
    await this.page.waitForSelector('.quick-input-widget:not([style*="display: none"]) input');
    await this.page.keyboard.type(title);
    await this.pick(title);
  }

  /** Chooses the row with this text in the open quick pick. */
  async pick(text) {
    const row = this.page.locator('.quick-input-list .monaco-list-row', { hasText: text }).first();
    await row.waitFor({ timeout: patience });
    await row.click();
  }

  press(key) {
    return this.page.keyboard.press(key);
  }

  /** Texts of the rows of a tree or list, top to bottom, lines of one row joined by ' | '. Lists reuse their elements in any order. */
  async rows(list) {
    const rows = await (typeof list === 'string' ? this.page.locator(list) : list).locator('.monaco-list-row')
      .evaluateAll((elements) => elements.map((element) => ({ index: Number(element.dataset.index), text: element.innerText })));
    return rows.sort((a, b) => a.index - b.index).map(({ text }) => text.split('\n').map((line) => line.trim()).filter((line) => line !== '').join(' | '));
  }

  threadsAndFrames() {
    return this.rows('.debug-call-stack');
  }

  variables() {
    return this.rows('.debug-variables');
  }

  breakpoints() {
    return this.rows('.debug-breakpoints');
  }

  /** Folds panes of the side bar, so that others have room: lists hold only the rows that can be seen. */
  fold(...titles) {
    return this.setFolded(titles, true);
  }

  unfold(...titles) {
    return this.setFolded(titles, false);
  }

  async setFolded(titles, folded) {
    for (const title of titles) {
      const pane = this.paneOf(title);
      if (await pane.getAttribute('aria-expanded') === String(folded)) await pane.click();
    }
  }

  /** Rows of the pane with this title in the side bar. */
  async pane(title) {
    const pane = this.paneOf(title);
    if (await pane.getAttribute('aria-expanded') === 'false') await pane.click();
    return this.rows(this.page.locator('.pane', { has: pane }));
  }

  paneOf(title) {
    return this.page.locator(`.pane-header[aria-label^="${title}"]`);
  }

  paneRow(title, text) {
    return this.page.locator('.pane', { has: this.paneOf(title) }).locator('.monaco-list-row', { hasText: text }).first();
  }

  statusBar() {
    return this.page.locator('.part.statusbar').innerText();
  }

  /** Name of the active editor's tab. */
  async activeEditor() {
    return (await this.page.locator('.tab.active').first().innerText()).trim();
  }

  /** Line number of the marked top stack frame in the active editor; undefined when no line is marked. */
  async stoppedLine() {
    return this.page.evaluate(() => {
      const mark = document.querySelector('.monaco-editor .margin-view-overlays .codicon-debug-stackframe, .monaco-editor .margin-view-overlays [class*="debug-stackframe"]')
        ?? document.querySelector('.monaco-editor .glyph-margin-widgets [class*="debug-stackframe"]');
      if (!mark) return undefined;
      const top = mark.getBoundingClientRect().top;
      const numbers = [...document.querySelectorAll('.monaco-editor .margin-view-overlays .line-numbers')];
      const match = numbers.find((number) => Math.abs(number.getBoundingClientRect().top - top) < 4);
      return match ? Number(match.textContent) : undefined;
    });
  }

  /** Sets or removes a breakpoint by a click into the margin left of the line number. */
  async clickGutter(line) {
    const number = this.page.locator('.monaco-editor .margin-view-overlays .line-numbers', { hasText: new RegExp(`^${line}$`) }).first();
    const row = await number.boundingBox();
    const margin = await this.page.locator('.monaco-editor .glyph-margin').first().boundingBox();
    const [x, y] = [margin.x + margin.width / 2, row.y + row.height / 2];
    await this.page.mouse.move(x, y);
    await this.page.mouse.click(x, y);
  }

  /** Line numbers on the screen, top to bottom. */
  async visibleLines() {
    const numbers = await this.page.locator('.monaco-editor .margin-view-overlays .line-numbers').allInnerTexts();
    return numbers.map(Number).filter((number) => number > 0).sort((a, b) => a - b);
  }

  /** Texts of notifications and of a modal dialog, if any is shown. */
  messages() {
    return this.page.locator('.notifications-toasts .notification-list-item-message, .monaco-dialog-box .dialog-message-container').allInnerTexts();
  }

  screenshot(file) {
    return this.page.screenshot({ path: file });
  }
}
