// Chromium's own WebSocket, and the origin's client, in a page that is signed in by cookie.

import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';

import { openBrowser, openPage, signIn } from './chromium.mjs';
import { the_client_of_the_origin_works_without_a_change as originStory } from './origin_story.mjs';
import { party, scan, tell, until } from './server.mjs';

async function the_client_of_the_origin_works_in_a_page(page) {
  for (const script of ['origin_client.js', 'origin_desk.js']) {
    await page.addScriptTag({ path: fileURLToPath(new URL(script, import.meta.url)) });
  }
  await originStory({
    open: (eventId) => page.evaluate((id) => openDesk(location.host, id), eventId),
    look: () => page.evaluate(() => look()),
    letTheIntervalPass: () => page.evaluate(() => letTheIntervalPass()),
  });
}

async function its_websocket_resumes_by_cursor(page) {
  const { eventId, codes, ours } = await party('WebSocket');
  await page.evaluate(() => {
    globalThis.messages = [];
    globalThis.listen = (path) => {
      globalThis.socket = new WebSocket(path);
      globalThis.socket.onmessage = ({ data }) => globalThis.messages.push(JSON.parse(data));
    };
  });
  const messages = () => page.evaluate(() => globalThis.messages);
  const path = `/ws/events/checkin/${eventId}/`;
  await page.evaluate((where) => globalThis.listen(where), path);
  const [hello] = await until('the snapshot', async () => ((await messages()).length > 0 ? messages() : undefined));
  assert.deepEqual([hello.type, hello.participants.length], ['initial_data', 3]);
  await scan(codes[0]);
  await until('the check-in', async () => (await messages()).length === 2);
  const seen = (await messages())[1].offset;
  const cursor = `${hello.cursor.split(':')[0]}:${seen}`;
  await page.evaluate(() => globalThis.socket.close());
  await scan(codes[1]);
  await page.evaluate((where) => globalThis.listen(where), `${path}?from=${encodeURIComponent(cursor)}`);
  await until('caught up', async () => (await messages()).at(-1).type === 'caught_up');
  const { offset } = await scan(codes[2]);
  await until('live', async () => (await messages()).at(-1).offset === offset);
  const offsets = (await messages()).filter(({ type }) => type === 'checkin_update').map((message) => message.offset);
  assert.deepEqual(offsets, await ours(hello.cursor));
}

const browser = await openBrowser();
const page = await openPage(browser);
await signIn(page);
await tell([the_client_of_the_origin_works_in_a_page, its_websocket_resumes_by_cursor], page);
await browser.close();
process.exit(0);
