// A headless Chromium with an empty profile, and what is wrong with the page: its errors and any request that leaves this machine.

import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];
const flags = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

/** The browser to drive: the environment variable CHROMIUM, or the first of the usual names on the PATH. Throws when there is none. */
export function findBrowser() {
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  const candidates = process.env.CHROMIUM ? [process.env.CHROMIUM] : names.flatMap((name) => folders.map((folder) => path.join(folder, name)));
  const found = candidates.find((candidate) => existsSync(candidate));
  if (!found) throw new Error('No Chromium was found: install one, or set CHROMIUM to its path.');
  return found;
}

/** Opens `url`; resolves to { page, problems, close }. `problems` grows while the page lives. */
export async function openPage(url, { width = 1440, height = 900 } = {}) {
  const profile = await mkdtemp(path.join(os.tmpdir(), 'abyme-e2e-'));
  const context = await chromium.launchPersistentContext(profile, { executablePath: findBrowser(), headless: true, viewport: { width, height }, args: flags });
  const page = context.pages()[0] ?? await context.newPage();
  const problems = [];
  const console = [];
  page.on('console', (message) => console.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => problems.push(`page error: ${error.stack ?? error.message}`));
  page.on('response', (response) => response.status() >= 400 && problems.push(`${response.status()} ${response.url()}`));
  page.on('request', (request) => {
    const { hostname, protocol } = new URL(request.url());
    if (protocol.startsWith('http') && hostname !== 'localhost' && !hostname.endsWith('.localhost')) problems.push(`a request left this machine: ${request.url()}`);
  });
  await page.goto(url, { waitUntil: 'domcontentloaded' });
  return {
    page,
    problems,
    console,
    close: async () => {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}
