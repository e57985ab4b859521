// Chromium's own EventSource, in a page that is signed in by cookie.

import assert from 'node:assert/strict';

import { openBrowser, openPage, signIn } from './chromium.mjs';
import { party, please, scan, tell, until } from './server.mjs';

async function its_eventsource_resumes_by_itself(page) {
  const { eventId, codes, ours } = await party('EventSource');
  await page.evaluate((where) => {
    globalThis.heard = [];
    globalThis.source = new EventSource(where);
    for (const type of ['initial_data', 'checkin_update', 'checkout_update', 'caught_up', 'reset']) {
      globalThis.source.addEventListener(type, ({ lastEventId, data }) => globalThis.heard.push({ type, lastEventId, ...JSON.parse(data) }));
    }
    globalThis.source.onerror = () => globalThis.heard.push({ type: 'error', readyState: globalThis.source.readyState });
  }, `/api/events/${eventId}/stream`);
  const heard = () => page.evaluate(() => globalThis.heard);
  const [hello] = await until('the snapshot', async () => ((await heard()).length > 0 ? heard() : undefined));
  assert.deepEqual([hello.type, hello.participants?.length, hello.lastEventId], ['initial_data', 3, hello.cursor]);
  await scan(codes[0]);
  await until('the check-in', async () => (await heard()).length === 2);
  await please('kill');
  await scan(codes[1]);
  await scan(codes[0], 'check-out');
  await until('caught up', async () => (await heard()).at(-1).type === 'caught_up');
  const { offset } = await scan(codes[2]);
  await until('live', async () => (await heard()).at(-1).offset === offset);
  await page.evaluate(() => globalThis.source.close());
  const all = await heard();
  assert.ok(all.some(({ type }) => type === 'error'), 'the connection was lost in between');
  assert.ok(!all.some(({ type }) => type === 'reset'));
  const updates = all.filter(({ type }) => type === 'checkin_update' || type === 'checkout_update');
  assert.deepEqual(updates.map((message) => message.offset), await ours(hello.cursor));
}

const browser = await openBrowser();
const page = await openPage(browser);
await signIn(page);
await tell([its_eventsource_resumes_by_itself], page);
await browser.close();
process.exit(0);
