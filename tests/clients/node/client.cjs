// Follows the WebSocket contract with the npm package `ws`, against a running server: first the
// client of the origin's documents as it stands there, then resuming and refusals.
//
// Takes DOORBOOK_URL (http://host:port) and DOORBOOK_TOKEN (a caller who may create events). Prints
// what it checked; exits 1 with the reason at the first thing that is not as the contract says.
'use strict';

const assert = require('node:assert/strict');
const { WebSocket } = require('ws');

const url = process.env.DOORBOOK_URL.replace(/\/$/, '');
const wsUrl = url.replace(/^http/, 'ws');
const token = process.env.DOORBOOK_TOKEN;
const PATIENCE_MS = 20_000;

const done = (what) => console.log('ok:', what);

async function http(method, path, body, expected = 200) {
  const answer = await fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  assert.equal(answer.status, expected, `${method} ${path}: ${text.slice(0, 300)}`);
  return text === '' ? undefined : JSON.parse(text);
}

/** A connection whose messages are taken one by one. */
class Stream {
  constructor(path, { from, protocols = [], headers = { authorization: `Bearer ${token}` }, origin } = {}) {
    const query = from === undefined ? '' : `?from=${encodeURIComponent(from)}`;
    this.socket = new WebSocket(wsUrl + path + query, protocols, { headers, origin });
    this.messages = [];
    this.waiting = undefined;
    this.socket.on('message', (data, isBinary) => {
      assert.equal(isBinary, false, 'messages are text');
      this.messages.push(JSON.parse(data.toString()));
      this.waiting?.();
    });
    this.closed = new Promise((resolve) => this.socket.on('close', (code) => resolve(code)));
    this.socket.on('error', () => {});
  }

  async receive(type) {
    while (this.messages.length === 0) {
      let timer;
      await Promise.race([
        new Promise((resolve) => { this.waiting = resolve; }),
        new Promise((_, reject) => {
          timer = setTimeout(() => reject(new Error(`no ${type} within ${PATIENCE_MS} ms`)), PATIENCE_MS);
        }),
        this.closed.then((code) => { throw new Error(`closed with ${code} while waiting for ${type}`); }),
      ]).finally(() => clearTimeout(timer));
    }
    const message = this.messages.shift();
    assert.equal(message.type, type, JSON.stringify(message).slice(0, 300));
    return message;
  }

  send(message) {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  async close() {
    this.socket.close(1000);
    assert.equal(await this.closed, 1000, 'an orderly close is answered with the same code');
  }
}

function refusal(path, options) {
  return new Promise((resolve, reject) => {
    const { socket } = new Stream(path, options);
    socket.on('open', () => reject(new Error(`${path} was let in`)));
    socket.on('unexpected-response', (_, response) => {
      response.resume();
      resolve(response.statusCode);
    });
  });
}

/** The client of the origin's documents; only who it is has been added. */
function originClient(path, options) {
  const shown = { event: undefined, participants: new Map(), notifications: [], pongs: 0, others: [] };
  const eventSocket = new WebSocket(wsUrl + path, options.protocols ?? [], { headers: options.headers, origin: options.origin });
  shown.socket = eventSocket;
  shown.changed = () => {};
  eventSocket.onmessage = function (e) {
    const data = JSON.parse(e.data);
    switch (data.type) {
      case 'initial_data':
        shown.event = data.event;
        data.participants.forEach((participant) => shown.participants.set(participant.id, participant));
        break;
      case 'checkin_update':
        shown.participants.set(data.participant.id, data.participant);
        shown.notifications.push(`${data.participant.user.first_name} ${data.action}`);
        break;
      case 'participant_registered':
        shown.participants.set(data.participant.id, data.participant);
        break;
      case 'pong':
        shown.pongs += 1;
        break;
      default:
        shown.others.push(data);
    }
    shown.changed();
  };
  eventSocket.onopen = () => {
    eventSocket.send(JSON.stringify({ type: 'ping', timestamp: new Date().toISOString() }));
  };
  return shown;
}

async function until(shown, what, holds) {
  const timeout = Date.now() + PATIENCE_MS;
  while (!holds()) {
    assert.ok(Date.now() < timeout, `waited in vain: ${what}`);
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, PATIENCE_MS);
      shown.changed = () => { clearTimeout(timer); resolve(); };
    });
  }
}

async function prepare() {
  const gathering = await http('POST', '/api/events/', { name: 'Node interop', start_date: '2026-05-01T18:00:00Z' }, 201);
  const tag = gathering.id.replaceAll('-', '').slice(-12);
  const codes = [];
  for (const [first_name, last_name] of [['Grace', 'Hopper'], ['Zoë', 'Kravitz']]) {
    const user = { first_name, last_name, email: `${last_name.toLowerCase()}@example.org` };
    const event_pax_id = `${tag}-${last_name.toLowerCase()}`;
    await http('POST', `/api/events/${gathering.id}/register/`, { user, event_pax_id }, 201);
    codes.push(event_pax_id);
  }
  return { eventId: gathering.id, codes };
}

async function originStory(path, eventId, codes) {
  const byProtocol = originClient(path, { protocols: ['doorbook.v1', `bearer.${token}`] });
  const byCookie = originClient(path, { headers: { cookie: `doorbook_session=${token}` }, origin: url });
  for (const shown of [byProtocol, byCookie]) {
    await until(shown, 'initial_data and pong', () => shown.event !== undefined && shown.pongs === 1);
    assert.equal(shown.event.id, eventId);
    assert.equal(shown.event.participant_count, 2);
    assert.equal(shown.event.start_date, '2026-05-01T18:00:00Z');
    assert.equal(shown.participants.size, 2);
  }
  assert.equal(byProtocol.socket.protocol, 'doorbook.v1', 'only the first subprotocol is echoed');
  const answer = await http('POST', `/api/events/participants/${codes[0]}/check-in/`);
  const guest = { first_name: 'Ida', last_name: 'Rhodes', email: 'ida@example.org' };
  const registered = await http('POST', `/api/events/${eventId}/register/`, guest, 201);
  for (const shown of [byProtocol, byCookie]) {
    await until(shown, 'the guest', () => shown.participants.has(registered.id));
    assert.deepEqual(shown.notifications, ['Grace checkin']);
    assert.deepEqual(shown.participants.get(answer.participant.id), answer.participant);
    assert.equal(shown.participants.get(answer.participant.id).checked_in, true);
    shown.socket.close();
  }
  done('the client of the origin: by subprotocol and by cookie with its own origin, initial_data, ping, updates');
}

async function refusals(path) {
  assert.equal(await refusal(path, { headers: {} }), 401);
  assert.equal(await refusal(path, { headers: { authorization: 'Bearer no.such.token' } }), 401);
  assert.equal(await refusal(`${path}?token=${token}`, { headers: {} }), 401);
  assert.equal(await refusal(path, { headers: { cookie: `doorbook_session=${token}` }, origin: 'https://evil.example' }), 403);
  assert.equal(await refusal(path, { headers: { cookie: `doorbook_session=${token}` } }), 403);
  assert.equal(await refusal(path, { origin: 'null' }), 403);
  assert.equal(await refusal('/ws/events/checkin/not-an-id/'), 404);
  assert.equal(await refusal(path, { from: 'yesterday' }), 422);
  done('refusals before the upgrade');
}

async function talk(path) {
  const stream = new Stream(path);
  const hello = await stream.receive('initial_data');
  assert.equal(typeof hello.cursor, 'string');
  stream.send({ type: 'ping', timestamp: '2026-05-01T18:00:00.123Z' });
  assert.equal((await stream.receive('pong')).timestamp, '2026-05-01T18:00:00.123Z');
  stream.send({ type: 'get_participants' });
  const { participants } = await stream.receive('participants');
  assert.deepEqual(participants, hello.participants);
  for (const bad of ['{', '7', '{}', '{"type":"nonsense"}', '{"type":"auth"}']) {
    stream.send(bad);
    const error = await stream.receive('error');
    assert.ok(error.code && error.message, JSON.stringify(error));
  }
  stream.send({ type: 'auth', token });
  stream.send({ type: 'ping', timestamp: null });
  assert.equal((await stream.receive('pong')).timestamp, null);
  const ponged = new Promise((resolve) => stream.socket.on('pong', resolve));
  stream.socket.ping('still there?');
  assert.equal((await ponged).toString(), 'still there?');
  done('ping, get_participants, errors that leave the connection open, auth, a protocol ping');
  return { stream, cursor: hello.cursor };
}

async function resumption(path, stream, cursor, codes) {
  const live = [];
  await http('POST', `/api/events/participants/${codes[1]}/check-in/`, { gate: 'East' });
  live.push(await stream.receive('checkin_update'));
  await http('POST', `/api/events/participants/${codes[1]}/check-in/`, { gate: 'West' }, 409);
  live.push(await stream.receive('scan_refused'));
  await http('POST', `/api/events/participants/${codes[1]}/check-out/`);
  live.push(await stream.receive('checkout_update'));

  const resumed = new Stream(path, { from: cursor });
  for (const message of live) assert.deepEqual(await resumed.receive(message.type), message);
  const caughtUp = await resumed.receive('caught_up');
  assert.ok(caughtUp.offset >= live.at(-1).offset);

  await http('POST', `/api/events/participants/${codes[1]}/check-in/`);
  const now = await stream.receive('checkin_update');
  assert.deepEqual(await resumed.receive('checkin_update'), now);

  resumed.send({ type: 'resume', from: live[0].offset });
  for (const message of [...live.slice(1), now]) assert.deepEqual(await resumed.receive(message.type), message);
  await resumed.receive('caught_up');
  const again = new Stream(path, { from: caughtUp.cursor });
  assert.deepEqual(await again.receive('checkin_update'), now);
  await again.receive('caught_up');
  await again.close();
  await resumed.close();
  done('from a cursor, resume in place, caught_up, and live afterwards: all equal to what was live');
}

async function dashboard(eventId, codes) {
  const stream = new Stream('/ws/events/dashboard/');
  const hello = await stream.receive('initial_data');
  const row = hello.events.find((event) => event.id === eventId);
  assert.equal(row.participant_count, 3);
  await http('POST', `/api/events/participants/${codes[0]}/check-out/`);
  const update = await stream.receive('event_update');
  assert.equal(update.event_id, eventId);
  assert.equal(update.update_type, 'participant_checked_out');
  assert.ok(update.data.participant_id && update.timestamp && update.offset);
  assert.deepEqual(Object.keys(update.counts).sort(), ['checked_in', 'inside', 'registered']);
  await stream.close();
  done('the dashboard');
}

async function flood(path) {
  const stream = new Stream(path);
  await stream.receive('initial_data');
  for (let n = 0; n < 200; n += 1) stream.send({ type: 'ping', timestamp: n });
  assert.equal(await stream.closed, 4429, 'more than 20 messages a second');
  const large = new Stream(path);
  await large.receive('initial_data');
  large.send('x'.repeat(100_000));
  assert.equal(await large.closed, 1009, 'a message over 4 KiB');
  done('too many and too large messages end the connection with 4429 and 1009');
}

async function main() {
  const { eventId, codes } = await prepare();
  const path = `/ws/events/checkin/${eventId}/`;
  await refusals(path);
  await originStory(path, eventId, codes);
  const { stream, cursor } = await talk(path);
  await resumption(path, stream, cursor, codes);
  await stream.close();
  await dashboard(eventId, codes);
  await flood(path);
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(`not as the contract says: ${error.message}`);
    process.exit(1);
  },
);
