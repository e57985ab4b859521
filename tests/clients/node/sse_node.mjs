// Server-sent events read by npm `eventsource`, which comes back by itself, and by `curl -N` as a person would.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

import { URL_OF_SERVER, log, mint, party, please, scan, tell, until } from './server.mjs';

const { EventSource } = createRequire(import.meta.url)('eventsource');

const TYPES = ['initial_data', 'checkin_update', 'checkout_update', 'event_update', 'caught_up', 'reset', 'heartbeat'];
const authorization = `Bearer ${mint()}`;

/** Each event that was heard is one of the log, in its order, and its id the cursor. */
async function isTheLogAfter(hello, heard, isOurs) {
  const [epoch, offset] = hello.id.split(':');
  assert.equal(hello.id, hello.cursor);
  const entries = (await log(Number(offset))).filter(isOurs);
  const updates = heard.filter(({ type }) => type.endsWith('_update'));
  assert.deepEqual(updates.map(({ id }) => id), entries.map((entry) => `${epoch}:${entry.offset}`));
  assert.deepEqual(updates.map((update) => update.offset), entries.map((entry) => entry.offset));
}

async function eventsource_comes_back_by_itself_with_nothing_missing() {
  const { eventId, codes } = await party('eventsource');
  for (const [path, isOurs] of [[`/api/events/${eventId}/stream/`, ({ event_id }) => event_id === eventId], ['/api/events/stream/', () => true]]) {
    const heard = [];
    let connections = 0;
    const source = new EventSource(URL_OF_SERVER + path, {
      fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, authorization } }),
    });
    source.onopen = () => {
      connections += 1;
    };
    for (const type of TYPES) source.addEventListener(type, ({ lastEventId, data }) => heard.push({ ...JSON.parse(data), id: lastEventId }));
    await until('the snapshot', () => heard.length > 0);
    assert.equal(heard[0].type, 'initial_data');
    await scan(codes[0]);
    await until('the check-in', () => heard.length > 1);
    await please('kill');
    await scan(codes[0], 'check-out');
    await scan(codes[1]);
    await until('caught up', () => heard.at(-1).type === 'caught_up');
    const { offset } = await scan(codes[1], 'check-out');
    await until('live', () => heard.at(-1).offset === offset);
    source.close();
    assert.equal(connections, 2);
    assert.ok(!heard.some(({ type }) => type === 'reset'));
    await isTheLogAfter(heard[0], heard, isOurs);
  }
}

/** What `curl -N` prints, event by event. */
function curl(path, ...options) {
  const child = spawn('curl', ['--no-buffer', '--silent', '--show-error', '--fail', '--header', `Authorization: ${authorization}`, ...options, URL_OF_SERVER + path]);
  const heard = [];
  let fields = {};
  child.stderr.on('data', (text) => console.error(`curl: ${text}`));
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line === '') {
      if (fields.data !== undefined) heard.push({ ...JSON.parse(fields.data), id: fields.id, named: fields.event });
      fields = {};
      return;
    }
    const [, name, value] = /^([a-z]+): (.*)$/.exec(line) ?? assert.fail(`not a field: ${line}`);
    fields[name] = value;
  });
  return { heard, stop: () => child.kill() };
}

async function curl_prints_it_as_it_comes_and_resumes() {
  const { eventId, codes } = await party('curl');
  const path = `/api/events/${eventId}/stream`;
  const first = curl(path);
  await until('the snapshot', () => first.heard.length === 1);
  await scan(codes[0]);
  await until('the check-in', () => first.heard.length === 2);
  first.stop();
  await scan(codes[1]);
  await scan(codes[0], 'check-out');
  const second = curl(path, '--header', `Last-Event-ID: ${first.heard.at(-1).id}`);
  await until('caught up', () => second.heard.at(-1)?.type === 'caught_up');
  const { offset } = await scan(codes[2]);
  await until('live', () => second.heard.at(-1).offset === offset);
  second.stop();
  const heard = [...first.heard, ...second.heard];
  for (const { named, type } of heard) assert.equal(named, type);
  await isTheLogAfter(heard[0], heard, ({ event_id }) => event_id === eventId);
}

await tell([eventsource_comes_back_by_itself_with_nothing_missing, curl_prints_it_as_it_comes_and_resumes]);
process.exit(0);
