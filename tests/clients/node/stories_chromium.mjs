// The stories with DoorbookStream in a page of Chromium, on the browser's own WebSocket, and those that only a
// page can tell: the session cookie.

import assert from 'node:assert/strict';

import { openBrowser, openPage, signIn } from './chromium.mjs';
import { gathering, mint, please, register, scan, tell, until } from './server.mjs';
import { STORIES } from './stories.mjs';

/** The seat in the page, with the methods of Seat. */
async function seatIn(page) {
  await page.exposeFunction('mint', (lifetime_s) => mint(lifetime_s));
  await page.evaluate(async () => {
    const { Seat } = await import('/-/tests/clients/node/seat.mjs');
    globalThis.seat = new Seat(globalThis.mint, {});
  });
  const call = (method) => (...args) => page.evaluate(([name, given]) => globalThis.seat[name](...given), [method, args]);
  return { open: call('open'), look: call('look'), advance: call('advance'), close: call('close') };
}

async function a_page_that_is_signed_in_needs_no_token(seat, page) {
  await signIn(page);
  const eventId = await gathering('By cookie');
  await register(eventId, 'by-cookie');
  await seat.open('by cookie', { eventId });
  const isLive = async () => (await seat.look('by cookie')).status.state === 'live';
  await until('live', isLive);
  await please('kill');
  const { offset } = await scan('by-cookie');
  await until('the check-in', async () => (await seat.look('by cookie')).messages.at(-1).offset === offset);
  await until('live again', isLive);
  assert.equal((await seat.look('by cookie')).counters.connections, 2);
  await page.context().clearCookies();
  await seat.open('by nothing', { eventId });
  await until('the end', async () => (await seat.look('by nothing')).status.state === 'closed');
  const { reason, code } = (await seat.look('by nothing')).status;
  assert.deepEqual([reason, code], ['refused', 401]);
}

const browser = await openBrowser();
const page = await openPage(browser);
const seat = await seatIn(page);
await tell([a_page_that_is_signed_in_needs_no_token, ...STORIES], seat, page);
await browser.close();
process.exit(0);
