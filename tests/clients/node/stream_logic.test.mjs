// What DoorbookStream does by itself: order, cursor, back-off, silence, tokens, refusals. On a clock that
// moves when told and real sockets to a peer that breaks the contract wherever a test wants it to.

import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';

import { DoorbookStream } from '../../../clients/js/doorbook-stream.js';
import { OTHER_EPOCH, WebSocket, caughtUp, cursor, event, heartbeat, live, snapshot, staged, until } from './stage.mjs';

const SILENCE_MS = 2.2 * 25_000;

/** A handler that takes a message only when it is let go on. */
function slowHandler() {
  const slow = { at: undefined, running: 0, atOnceMax: 0, taken: [] };
  slow.onMessage = async (message) => {
    if (message.type === 'initial_data') return;
    slow.running += 1;
    slow.atOnceMax = Math.max(slow.atOnceMax, slow.running);
    slow.at = message.offset;
    await new Promise((resolve, reject) => Object.assign(slow, { goOn: resolve, fail: reject }));
    slow.running -= 1;
    slow.at = undefined;
    slow.taken.push(message.offset);
  };
  return slow;
}

test('one handler at a time, in order, and the cursor moves only after it has returned', async (t) => {
  const slow = slowHandler();
  const { first, stream } = await live(t, 10, { onMessage: slow.onMessage });
  first.say(event(11), event(12), event(15));
  for (const [offset, before] of [[11, 10], [12, 11], [15, 12]]) {
    await until(`event ${offset}`, () => slow.at === offset);
    assert.equal(stream.cursor, cursor(before));
    slow.goOn();
  }
  await until('all', () => slow.taken.length === 3);
  assert.deepEqual(slow.taken, [11, 12, 15]);
  assert.equal(slow.atOnceMax, 1);
  await until('the cursor', () => stream.cursor === cursor(15));
});

test('a connection is asked for only when the handler has decided where from', async (t) => {
  const slow = slowHandler();
  const { first, peer, clock } = await live(t, 10, { onMessage: slow.onMessage });
  first.say(event(11), event(12));
  await until('event 11', () => slow.at === 11);
  // Silence, so that the old connection is given up while its message is with the handler.
  clock.advance(SILENCE_MS);
  clock.advance(20_000);
  assert.equal(peer.connections.length, 1);
  slow.goOn();
  const second = await peer.connection(2);
  assert.equal(second.from, cursor(11));
  assert.deepEqual(slow.taken, [11], 'what the old connection brought and nobody had taken is dropped');
  second.say(event(12));
  await until('event 12', () => slow.at === 12);
  slow.goOn();
  await until('both', () => slow.taken.length === 2);
});

test('after close nothing is handed over, and the message that was is not forgotten', async (t) => {
  const slow = slowHandler();
  const { first, peer, clock, stream } = await live(t, 10, { onMessage: slow.onMessage });
  first.say(event(11), event(12));
  await until('event 11', () => slow.at === 11);
  stream.close();
  assert.equal(stream.status.state, 'closed');
  assert.equal(stream.status.reason, 'closed_here');
  assert.equal(clock.pending, 0, 'no timer is left');
  slow.goOn();
  await until('the cursor', () => stream.cursor === cursor(11));
  await until('the goodbye', () => first.closed);
  assert.deepEqual(slow.taken, [11]);
  stream.open();
  assert.equal((await peer.connection(2)).from, cursor(11));
});

test('messages that came before the close are handed over before the next connection', async (t) => {
  const slow = slowHandler();
  const { first, peer, clock } = await live(t, 10, { onMessage: slow.onMessage });
  first.say(event(11), event(12));
  first.socket.close(1012);
  for (const offset of [11, 12]) {
    await until(`event ${offset}`, () => slow.at === offset);
    assert.equal(peer.connections.length, 1);
    slow.goOn();
  }
  await until('the back-off', () => clock.pending > 1);
  clock.advance(500);
  assert.equal((await peer.connection(2)).from, cursor(12));
});

test('what a handler throws at comes again on another connection', async (t) => {
  const slow = slowHandler();
  const { first, peer, clock, problems, stream } = await live(t, 10, { onMessage: slow.onMessage });
  first.say(event(11), event(12));
  await until('event 11', () => slow.at === 11);
  slow.fail(new Error('the page is gone'));
  await until('the problem', () => problems.length === 1);
  assert.equal(problems[0].kind, 'handler_failed');
  assert.equal(problems[0].error.message, 'the page is gone');
  clock.advance(500);
  assert.equal((await peer.connection(2)).from, cursor(10));
  assert.equal(stream.cursor, cursor(10));
});

test('a repeated message is dropped and counted', async (t) => {
  const { first, got, stream } = await live(t);
  first.say(event(9), event(11), event(11), event(10), event(14));
  await until('event 14', () => got.at(-1) === 14);
  assert.deepEqual(got, ['initial_data', 11, 14]);
  assert.equal(stream.counters.repeats, 3);
  assert.equal(stream.counters.faults, 0);
});

for (const [what, message, kind] of [
  ['a position behind what was sent', heartbeat(10), 'went_back'],
  ['a catch-up that ends behind what was sent', caughtUp(10), 'went_back'],
  ['a position in another log', heartbeat(12, OTHER_EPOCH), 'log_changed'],
  ['something that is no JSON', '{', 'not_understood'],
  ['a message without a type', { offset: 12 }, 'not_understood'],
]) {
  test(`${what} ends the connection, and the next starts where the handler is`, async (t) => {
    const { first, peer, clock, got, problems, stream } = await live(t);
    first.say(event(11));
    await until('event 11', () => got.at(-1) === 11);
    first.say(message, event(12));
    await until('the fault', () => stream.counters.faults === 1);
    assert.equal(problems[0].kind, kind);
    clock.advance(500);
    const second = await peer.connection(2);
    assert.equal(second.from, cursor(11));
    second.say(event(12), caughtUp(12));
    await until('live', () => stream.status.state === 'live');
    assert.deepEqual(got, ['initial_data', 11, 12]);
  });
}

test('a heartbeat moves the cursor over what happened elsewhere', async (t) => {
  const { first, stream } = await live(t);
  first.say(heartbeat(40));
  await until('the cursor', () => stream.cursor === cursor(40));
});

test('where every offset is to be seen, a gap is asked for again, and believed when it is confirmed', async (t) => {
  const { first, peer, clock, got, problems, stream } = await live(t, 10, { contiguous: true });
  first.say(event(11), event(13));
  await until('the gap', () => problems.length === 1);
  assert.deepEqual(problems[0], { kind: 'gap', expected: 12, offset: 13 });
  clock.advance(500);
  const second = await peer.connection(2);
  assert.equal(second.from, cursor(11));
  second.say(event(12), event(13), caughtUp(14));
  await until('the gap at the head', () => problems.length === 2);
  clock.advance(1_000);
  const third = await peer.connection(3);
  assert.equal(third.from, cursor(13));
  third.say(event(15));
  await until('event 15', () => got.at(-1) === 15);
  assert.deepEqual(problems[2], { kind: 'gap_confirmed', expected: 14, offset: 15 });
  assert.deepEqual(got, ['initial_data', 11, 12, 13, 15]);
  assert.equal(stream.counters.gaps, 1);
});

test('a reset drops the position, and the snapshot sets the new one', async (t) => {
  const { peer, stream, got, states } = await staged(t, { from: cursor(90) });
  stream.open();
  const first = await peer.connection(1);
  assert.equal(first.from, cursor(90));
  first.say({ type: 'reset', reason: 'log_changed' });
  await until('the reset', () => got.length === 1);
  await until('no position', () => stream.cursor === undefined);
  first.say(snapshot(3, OTHER_EPOCH), event(4), caughtUp(4, OTHER_EPOCH));
  await until('event 4', () => stream.cursor === cursor(4, OTHER_EPOCH));
  assert.equal(stream.status.state, 'live');
  assert.deepEqual(got, ['reset', 'initial_data', 4]);
  assert.equal(stream.cursor, cursor(4, OTHER_EPOCH));
  assert.deepEqual(states(), ['connecting', 'catching_up', 'live']);
});

test('a reset may come in the middle', async (t) => {
  const { first, stream, got, states } = await live(t);
  first.say(event(11), { type: 'reset', reason: 'view_changed' }, event(5));
  await until('the fault', () => stream.counters.faults === 1);
  assert.deepEqual(got, ['initial_data', 11, 'reset'], 'nothing may come between it and its snapshot');
  const again = await live(t);
  again.first.say({ type: 'reset', reason: 'view_changed' }, snapshot(5), event(6));
  await until('event 6', () => again.got.at(-1) === 6);
  assert.deepEqual(again.states().slice(-2), ['catching_up', 'live']);
  assert.deepEqual(states().slice(0, 3), ['connecting', 'catching_up', 'live']);
});

test('a snapshot where a replay was asked for is a reset by another name', async (t) => {
  const { peer, stream, got, problems } = await staged(t, { from: cursor(90) });
  stream.open();
  (await peer.connection(1)).say(snapshot(95), caughtUp(95));
  await until('live', () => stream.status.state === 'live');
  assert.deepEqual(got, ['reset', 'initial_data']);
  assert.equal(problems[0].kind, 'start_ignored');
});

test('an event without a state to stand on is refused', async (t) => {
  const { peer, stream, got, problems } = await staged(t);
  stream.open();
  (await peer.connection(1)).say(event(5));
  await until('the fault', () => problems.length === 1);
  assert.equal(problems[0].kind, 'no_snapshot');
  assert.deepEqual(got, []);
});

test('each start asks for itself, and an offset becomes a cursor when the log is known', async (t) => {
  for (const [from, asked, after] of [['earliest', '0', '3'], [7, '7', '8'], ['latest', 'latest', '9']]) {
    const { peer, stream } = await staged(t, { from });
    stream.open();
    const first = await peer.connection(1);
    assert.equal(first.from, asked);
    const offset = Number(after);
    first.say(event(offset));
    await until('the event', () => stream.cursor === after);
    first.say(caughtUp(offset));
    await until('the epoch', () => stream.cursor === cursor(offset));
  }
});

test('the state says whether what is shown is the present', async (t) => {
  const { first, stream, states, clock } = await live(t);
  first.say({ type: 'fell_behind', offset: 10, head: 90 });
  await until('behind', () => stream.status.state === 'catching_up');
  const { asOf } = stream.status;
  clock.advance(3_000);
  first.say(event(11));
  await until('event 11', () => stream.cursor === cursor(11));
  assert.equal(stream.status.asOf, asOf, 'what is handed over is not the present yet');
  assert.equal(stream.status.lastHeardAt, clock.now());
  first.say(caughtUp(90));
  await until('live', () => stream.status.state === 'live');
  assert.equal(stream.status.asOf, clock.now());
  assert.deepEqual(states(), ['connecting', 'catching_up', 'live', 'catching_up', 'live']);
});

test('types that nobody knows yet are handed over and change nothing', async (t) => {
  const { first, got, stream } = await live(t);
  first.say({ type: 'weather' }, { type: 'pong', timestamp: null }, { type: 'participants', participants: [], cursor: cursor(99) }, event(11));
  await until('event 11', () => got.at(-1) === 11);
  assert.deepEqual(got, ['initial_data', 'weather', 'participants', 11]);
  assert.equal(stream.cursor, cursor(11));
});

test('more than the memory is to hold is left to the log', async (t) => {
  const slow = slowHandler();
  const { first, peer } = await live(t, 0, { onMessage: slow.onMessage });
  const all = Array.from({ length: 10_500 }, (_, n) => n + 1);
  first.say(...all.map(event));
  await until('the connection given back', () => first.closed);
  const held = [];
  while (peer.connections.length === 1) {
    await until('a message', () => slow.at !== undefined || peer.connections.length > 1);
    if (slow.at !== undefined) {
      held.push(slow.at);
      slow.goOn();
      await until('taken', () => slow.at !== held.at(-1));
    }
  }
  assert.deepEqual(held, all.slice(0, held.length));
  assert.ok(held.length >= 10_000 && held.length < 10_500, `${held.length} were kept`);
  assert.equal(peer.connections[1].from, cursor(held.length), 'at once, and from where the handler is');
});

test('the back-off doubles up to its cap, with full jitter, and starts over after a stable connection', async (t) => {
  const { peer, clock, stream, statuses } = await live(t);
  const delay = () => statuses.at(-1).retryAt - clock.now();
  const delays = [];
  for (let n = 1; n <= 7; n += 1) {
    (await peer.connection(n)).socket.close(1011);
    await until('the back-off', () => stream.status.retryAt !== undefined);
    delays.push(delay());
    clock.advance(delay() - 1);
    assert.equal(peer.connections.length, n, 'not before its time');
    clock.advance(1);
  }
  assert.deepEqual(delays, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 20_000]);
  const steady = await peer.connection(8);
  steady.say(heartbeat(10));
  await until('heard', () => stream.status.state === 'catching_up');
  clock.advance(30_000);
  clock.chance = 0.25;
  steady.socket.terminate();
  await until('the back-off', () => stream.status.retryAt !== undefined);
  assert.equal(delay(), 125);
});

test('a stream that is closed and opened from within its own reports is one stream', async (t) => {
  for (const first of [heartbeat(9), snapshot(10), '{']) {
    let problems = 0;
    const { peer, clock, stream, got } = await staged(t, {
      from: cursor(10),
      onProblem: () => {
        problems += 1;
        stream.close();
        if (problems === 1) stream.open();
      },
    });
    stream.open();
    (await peer.connection(1)).say(first);
    const second = await peer.connection(2);
    second.say(event(11));
    await until('event 11', () => got.at(-1) === 11);
    clock.advance(20_000);
    assert.deepEqual(got, [11], 'nothing of the connection that was closed');
    assert.equal(peer.connections.length, 2);
  }
});

test('a stream that is closed from within its own reports stays closed', async (t) => {
  const { first, peer, clock, stream } = await live(t, 10, { onProblem: () => stream.close() });
  first.say('{');
  await until('the end', () => stream.status.state === 'closed');
  assert.equal(clock.pending, 0);
  clock.advance(20_000);
  assert.equal(peer.connections.length, 1);
});

for (const code of [1000, 1001, 1006, 1011, 1012, 1013, 4408, 4429, 4499]) {
  test(`a connection closed with ${code} comes back by its cursor`, async (t) => {
    const { first, peer, clock, stream } = await live(t);
    if (code === 1006) first.socket.terminate();
    else first.socket.close(code);
    await until('the back-off', () => stream.status.retryAt !== undefined);
    clock.advance(500);
    assert.equal((await peer.connection(2)).from, cursor(10));
  });
}

for (const code of [1008, 1009, 4403, 4500, 4503, 4599]) {
  test(`a connection closed with ${code} stays closed`, async (t) => {
    const { first, clock, stream } = await live(t);
    first.socket.close(code);
    await until('the end', () => stream.status.state === 'closed');
    assert.deepEqual([stream.status.reason, stream.status.code], ['close_code', code]);
    assert.equal(clock.pending, 0);
  });
}

test('after 4401 there is a new token before there is a connection', async (t) => {
  const asked = [];
  const getToken = async ({ reason }) => {
    asked.push(reason);
    return asked.length === 3 ? null : `token-${asked.length}`;
  };
  const { first, peer, clock, stream } = await live(t, 10, { getToken });
  assert.equal(first.protocols, 'doorbook.v1,bearer.token-1');
  first.socket.close(4401);
  await until('the back-off', () => stream.status.retryAt !== undefined);
  clock.advance(500);
  const second = await peer.connection(2);
  assert.equal(second.protocols, 'doorbook.v1,bearer.token-2');
  second.socket.close(4401);
  await until('the back-off', () => stream.status.retryAt !== undefined);
  clock.advance(1_000);
  await until('the end', () => stream.status.state === 'closed');
  assert.equal(stream.status.reason, 'no_token');
  assert.deepEqual(asked, ['connect', 'expired', 'expired']);
});

test('4401 without a way to a new token is the end', async (t) => {
  const { first, stream } = await live(t);
  first.socket.close(4401);
  await until('the end', () => stream.status.state === 'closed');
  assert.equal(stream.status.reason, 'token_expired');
});

test('an expiring token is renewed in place, behind no handler, and again when that fails', async (t) => {
  const slow = slowHandler();
  let asked = 0;
  const getToken = async ({ reason }) => {
    if (reason === 'connect') return 'first';
    asked += 1;
    if (asked < 3) throw new Error('the token server is busy');
    return 'second';
  };
  const { first, clock, problems } = await live(t, 10, { getToken, onMessage: slow.onMessage });
  first.say(event(11));
  await until('event 11', () => slow.at === 11);
  first.say({ type: 'auth_expiring', expires_at: '2026-05-01T18:00:00Z' });
  for (const [n, delay] of [[1, 500], [2, 1_000]]) {
    await until('a failure', () => problems.length === n);
    assert.equal(problems.at(-1).kind, 'no_identity');
    clock.advance(delay);
  }
  await until('auth', () => first.heard.length === 1);
  assert.deepEqual(first.heard, [{ type: 'auth', token: 'second' }]);
  assert.equal(slow.at, 11);
  slow.goOn();
});

test('a ticket is asked for with every connection', async (t) => {
  let tickets = 0;
  const getTicket = async () => `ticket-${(tickets += 1)}`;
  const { first, peer, clock, stream } = await live(t, 10, { getTicket });
  assert.equal(first.url.searchParams.get('ticket'), 'ticket-1');
  assert.equal(first.protocols, 'doorbook.v1');
  first.socket.close(1012);
  await until('the back-off', () => stream.status.retryAt !== undefined);
  clock.advance(500);
  assert.equal((await peer.connection(2)).url.searchParams.get('ticket'), 'ticket-2');
});

test('a silent connection is stale, and is given up for another', async (t) => {
  const { first, peer, clock, stream, states, problems } = await live(t);
  const lastHeardAt = clock.now();
  clock.advance(SILENCE_MS - 1);
  assert.equal(stream.status.state, 'live');
  clock.advance(1);
  assert.equal(stream.status.state, 'stale');
  assert.equal(stream.status.lastHeardAt, lastHeardAt);
  assert.equal(stream.status.asOf, lastHeardAt);
  assert.equal(problems[0].kind, 'silence');
  await until('the goodbye', () => first.closed);
  clock.advance(500);
  const second = await peer.connection(2);
  await until('open', () => stream.counters.connections === 2);
  assert.equal(stream.status.state, 'stale', 'until something is heard');
  assert.equal(second.from, cursor(10));
  second.say(caughtUp(10));
  await until('live', () => stream.status.state === 'live');
  assert.deepEqual(states(), ['connecting', 'catching_up', 'live', 'stale', 'live']);
});

test('whatever is heard keeps a connection from being stale', async (t) => {
  const { first, clock, stream } = await live(t);
  for (const message of [heartbeat(10), { type: 'pong', timestamp: 1 }, event(11), { type: 'error', code: 'bad_json', message: '' }]) {
    clock.advance(SILENCE_MS - 1);
    first.say(message);
    await until('heard', () => stream.status.lastHeardAt === clock.now());
  }
  assert.equal(stream.status.state, 'live');
});

test('without a connection what is shown gets stale, too', async (t) => {
  const { first, peer, clock, stream } = await live(t);
  peer.refusal = { status: 502 };
  first.socket.terminate();
  await until('the back-off', () => stream.status.retryAt !== undefined);
  while (stream.status.state !== 'stale') {
    assert.equal(stream.status.state, 'connecting');
    const requests = peer.requests.length;
    clock.advance(20_000);
    await until('another attempt', () => stream.status.state === 'stale' || peer.requests.length > requests);
    await until('the back-off', () => stream.status.retryAt !== undefined);
  }
  assert.ok(clock.now() - stream.status.asOf >= SILENCE_MS);
});

test('an attempt that nobody answers is given up', async (t) => {
  const server = net.createServer(() => {});
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const accepted = [];
  server.on('connection', (socket) => accepted.push(socket));
  t.after(() => {
    for (const socket of accepted) socket.destroy();
    server.close();
  });
  const { stream, clock, problems } = await staged(t, { url: `http://127.0.0.1:${server.address().port}` });
  stream.open();
  await until('a connection', () => accepted.length === 1);
  clock.advance(10_000);
  assert.equal(problems[0].kind, 'connect_timeout');
  clock.advance(500);
  await until('another', () => accepted.length === 2);
});

const PROBLEM = { 'content-type': 'application/problem+json' };

for (const status of [403, 404, 422]) {
  test(`a refusal with ${status} in the server's own words is final`, async (t) => {
    const { peer, stream } = await staged(t, { getToken: async () => 'mine' });
    peer.refusal = { status, headers: PROBLEM };
    stream.open();
    await until('the end', () => stream.status.state === 'closed');
    assert.deepEqual([stream.status.reason, stream.status.code], ['refused', status]);
    assert.deepEqual(peer.requests, [{ method: 'HEAD', url: '/api/events/gala/participants/?limit=1', authorization: 'Bearer mine' }]);
  });
}

test('a refusal by something in between is not final', async (t) => {
  const { peer, stream, clock } = await staged(t);
  peer.refusal = { status: 404, headers: { 'content-type': 'text/html' } };
  stream.open();
  await until('the back-off', () => stream.status.retryAt !== undefined);
  peer.refusal = undefined;
  clock.advance(500);
  await peer.connection(1);
});

test('a refused token is replaced by a new one, and 429 waits as long as it says', async (t) => {
  const asked = [];
  const getToken = async ({ reason }) => {
    asked.push(reason);
    return `token-${asked.length}`;
  };
  const { peer, stream, clock } = await staged(t, { getToken });
  peer.refusal = { status: 401, headers: PROBLEM };
  stream.open();
  await until('the back-off', () => stream.status.retryAt !== undefined);
  peer.refusal = { status: 429, headers: { ...PROBLEM, 'retry-after': '7' } };
  clock.advance(500);
  await until('a longer back-off', () => stream.status.retryAt - clock.now() === 7_000);
  peer.refusal = undefined;
  clock.advance(7_000);
  assert.equal((await peer.connection(1)).protocols, 'doorbook.v1,bearer.token-3');
  assert.deepEqual(asked, ['connect', 'expired', 'connect']);
});

test('without an event it is the dashboard, and a prefix of the address is kept', async (t) => {
  const { peer, stream } = await staged(t, { eventId: undefined });
  stream.open();
  assert.equal((await peer.connection(1)).url.pathname, '/ws/events/dashboard/');
  const prefixed = await staged(t);
  const onPrefix = new DoorbookStream({ url: `${prefixed.peer.url}/door/`, eventId: 'gala', onMessage: () => {}, WebSocket });
  t.after(() => onPrefix.close());
  onPrefix.open();
  assert.equal((await prefixed.peer.connection(1)).url.pathname, '/door/ws/events/checkin/gala/');
});

test('what cannot work is said when it is made', () => {
  const onMessage = () => {};
  assert.throws(() => new DoorbookStream({ url: 'http://127.0.0.1' }), /onMessage/);
  assert.throws(() => new DoorbookStream({ url: 'http://127.0.0.1', onMessage, WebSocket: null }), /WebSocket/);
  assert.throws(() => new DoorbookStream({ url: 'no address', onMessage, WebSocket: class {} }), /URL/);
});
