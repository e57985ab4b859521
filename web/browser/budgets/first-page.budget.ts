// What the first page costs: the JavaScript that comes over the wire until the dashboard stands, and the time
// until its numbers can be read on a slow machine.

import type { Browser, CDPSession } from '@playwright/test';

import { night } from '../harness/night.ts';
import { signIn } from '../harness/stage.ts';
import type { Doorbook } from '../harness/doorbook.ts';
import type { Claims } from '../harness/tokens.ts';
import { quantile, QUICK, test } from './figures.ts';
import { traceTasks } from './tasks.ts';

const SLOWED = 4;
const RUNS = QUICK ? 2 : 7;
const GATHERINGS = 8;
const PEOPLE = QUICK ? 200 : 2_000;
const SCRIPT_KB_MAX = 120;
const USABLE_MS_MAX = 1_000;

test.beforeEach(async ({ desk }) => {
  for (let at = 0; at < GATHERINGS; at += 1)
    await night(desk, { name: `Concert ${at + 1}`, people: PEOPLE, seed: at + 1 });
});

test('the first page: scripts over the wire, and the first usable screen', async ({
  browser,
  doorbook,
  organizer,
  measured,
}) => {
  const scripts: number[] = [];
  const usable: number[] = [];
  const spent: number[] = [];
  let files = 0;
  for (let run = 0; run < RUNS; run += 1) {
    const visit = await visited(browser, doorbook, organizer);
    scripts.push(visit.script_bytes);
    usable.push(visit.usable_ms);
    spent.push(visit.spent_ms);
    files = visit.script_files;
  }
  measured({
    what: 'JavaScript of the first page, compressed',
    figure: quantile(scripts, 1) / 1_000,
    unit: 'KB',
    reach_max: SCRIPT_KB_MAX,
    note: `${files} files, all that was loaded until the dashboard was live`,
  });
  measured({
    what: `first usable screen, CPU slowed ${SLOWED} ×`,
    figure: Math.round(quantile(usable, 0.5)),
    unit: 'ms',
    reach_max: USABLE_MS_MAX,
    note: `middle of ${RUNS} cold visits, slowest ${Math.round(quantile(usable, 1))} ms; from navigation to the painted numbers of ${GATHERINGS} gatherings, the page’s own part of it ${Math.round(quantile(spent, 0.5))} ms of processor time`,
  });
});

/** A visit by somebody who is signed in and has nothing in the cache. */
async function visited(
  browser: Browser,
  doorbook: Doorbook,
  who: Claims,
): Promise<{ script_bytes: number; script_files: number; usable_ms: number; spent_ms: number }> {
  const context = await browser.newContext({ baseURL: doorbook.url });
  await signIn(context, doorbook, who);
  const page = await context.newPage();
  const devtools = await context.newCDPSession(page);
  const scripts = await scriptsOf(devtools);
  await page.addInitScript(() => {
    const readable = (): boolean =>
      /\d/.test(document.querySelector('[data-testid="count-registered"]')?.textContent ?? '');
    const watch = (): void => {
      // The frame after the one in which they are there has painted them.
      if (readable()) requestAnimationFrame(() => performance.mark('usable'));
      else requestAnimationFrame(watch);
    };
    requestAnimationFrame(watch);
  });
  await devtools.send('Emulation.setCPUThrottlingRate', { rate: SLOWED });
  const tasks = await traceTasks(browser, page);
  await page.goto('/');
  const usable_ms = await (
    await page.waitForFunction(() => performance.getEntriesByName('usable')[0]?.startTime)
  ).jsonValue();
  const spent_ms = (await tasks()).reduce((sum, one) => sum + one, 0);
  await devtools.send('Emulation.setCPUThrottlingRate', { rate: 1 });
  await page.waitForLoadState('networkidle');
  await context.close();
  if (usable_ms === undefined) throw new Error('the numbers were not seen');
  return { script_bytes: scripts.bytes, script_files: scripts.files, usable_ms, spent_ms };
}

/** Bytes as they came over the network, headers left out. */
async function scriptsOf(devtools: CDPSession): Promise<{ bytes: number; files: number }> {
  const totals = { bytes: 0, files: 0 };
  const scripts = new Map<string, number>();
  await devtools.send('Network.enable');
  devtools.on('Network.responseReceived', ({ requestId, type, response }) => {
    const isScript = type === 'Script' || response.mimeType.includes('javascript');
    if (isScript) scripts.set(requestId, response.encodedDataLength);
  });
  devtools.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    const headers = scripts.get(requestId);
    if (headers === undefined) return;
    totals.bytes += encodedDataLength - headers;
    totals.files += 1;
  });
  return totals;
}
