// The server of a story: who calls it, what it answers, and the harness around it, which kills it and starts it
// again when asked on standard output.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { createInterface } from 'node:readline';

export const URL_OF_SERVER = process.env.DOORBOOK_URL.replace(/\/$/, '');
const SECRET = process.env.DOORBOOK_JWT_SECRET;
const PATIENCE_MS = 30_000;
/** No story takes this long. */
const STORY_MS_MAX = 120_000;

setTimeout(() => {
  console.error(`the story did not end within ${STORY_MS_MAX} ms`);
  process.exit(1);
}, STORY_MS_MAX).unref();

export function mint(lifetime_s = 3_600, claims = { sub: 'root', roles: ['superuser'] }) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Math.floor(Date.now() / 1_000) + lifetime_s;
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ ...claims, exp })}`;
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`;
}

export async function request(method, path, { body, headers = {}, token = mint() } = {}) {
  const answer = await fetch(URL_OF_SERVER + path, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return { status: answer.status, text: await answer.text() };
}

export async function ok(method, path, options) {
  const { status, text } = await request(method, path, options);
  assert.ok(status < 300, `${method} ${path}: ${status} ${text.slice(0, 300)}`);
  return text === '' ? undefined : JSON.parse(text);
}

/** A command that is given until it is answered: the server may die over it, and its key makes it one. */
export async function surely(path, key, body) {
  const timeout = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await ok('POST', path, { body, headers: { 'idempotency-key': key } });
    } catch (error) {
      if (error instanceof assert.AssertionError || Date.now() > timeout) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

export const gathering = async (name) => (await ok('POST', '/api/events/', { body: { name, start_date: '2026-05-01T18:00:00Z' } })).id;

export function register(eventId, code) {
  const body = { first_name: 'Ada', last_name: `Guest ${code}`, email: `${code}@example.org`, event_pax_id: code };
  return surely(`/api/events/${eventId}/register/`, `register-${code}`, body);
}

let scans = 0;
export function scan(code, direction = 'check-in', body = { gate: 'North' }) {
  scans += 1;
  return surely(`/api/events/participants/${code}/${direction}/`, `scan-${code}-${scans}`, body);
}

/** Every event after an offset, up to the head. */
export async function log(after = 0) {
  const entries = [];
  // Not `/api/log/`: whoever reads that is in it.
  for (let next = after; next !== null; ) {
    const { text } = await request('GET', `/api/history/?after=${next}&limit=1000`);
    const page = JSON.parse(text);
    entries.push(...page.results);
    next = page.next;
  }
  return entries;
}

/** A gathering with three guests, and the offsets of what the log says of it after a cursor. */
export async function party(name) {
  const eventId = await gathering(name);
  const codes = [1, 2, 3].map((n) => `${eventId.slice(-8)}-${n}`);
  for (const code of codes) await register(eventId, code);
  const ours = async (cursor) => {
    const entries = await log(Number(cursor.split(':').at(-1)));
    return entries.filter(({ event_id }) => event_id === eventId).map(({ offset }) => offset);
  };
  return { eventId, codes, ours };
}

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** `kill`: SIGKILL, and the same data at the same address. `replace the log`: the same with new data. */
export async function please(what) {
  console.log(`please ${what}`);
  assert.equal((await answers.next()).value, 'done');
}

export async function until(what, holds) {
  const timeout = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await holds();
    if (found) return found;
    assert.ok(Date.now() < timeout, `waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Tells one story after the other, and ends the process. */
export async function tell(stories, ...cast) {
  for (const story of stories) {
    await story(...cast).catch((error) => {
      console.error(`${story.name}: ${error.stack}`);
      process.exit(1);
    });
    console.log('ok:', story.name);
  }
}
