// DoorbookStream against the real server: a rush with kills in it, renewal, resuming, another log, silence, and
// the ends. `seat` holds the streams, in this process (stories_node.mjs) or in a page (stories_chromium.mjs).

import assert from 'node:assert/strict';

import { gathering, log, mint, ok, please, register, scan, until } from './server.mjs';

const GUESTS = 60;
const KILLS = 2;
const GOOD = { lifetimes: [3_600] };
const EVENT_OF_TYPE = {
  checkin_update: ['participant_checked_in'],
  checkout_update: ['participant_checked_out'],
  participant_registered: ['participant_registered'],
  participant_updated: ['scan_undone', 'registration_cancelled', 'participant_erased'],
  scan_refused: ['scan_refused'],
  event_update: ['gathering_created', 'gathering_changed', 'service_team_changed'],
};

const offsetOf = (cursor) => Number(cursor.split(':').at(-1));
const events = (messages) => messages.filter(({ offset }) => offset !== undefined);
const isLive = async (seat, name) => until(`${name} is live`, async () => (await seat.look(name)).status.state === 'live');
const has = (seat, name, offset) =>
  until(`${name} has ${offset}`, async () => {
    const { cursor, status } = await seat.look(name, Infinity);
    assert.notEqual(status.state, 'closed', JSON.stringify(status));
    return cursor !== undefined && offsetOf(cursor) >= offset;
  });

let named = 0;
async function party(guests = 3) {
  named += 1;
  const eventId = await gathering(`Party ${named}`);
  const codes = Array.from({ length: guests }, (_, n) => `${eventId.slice(-8)}-${n}`);
  await Promise.all(codes.map((code) => register(eventId, code)));
  return { eventId, codes };
}

/** The messages are the entries of the log: each once, in its order. */
function isTheLog(messages, entries) {
  assert.deepEqual(messages.map(({ offset }) => offset), entries.map(({ offset }) => offset));
  messages.forEach((message, at) => {
    const entry = entries[at];
    if (message.type === 'event_update') assert.equal(message.update_type, entry.type);
    else assert.ok(EVENT_OF_TYPE[message.type].includes(entry.type), `${message.type} of ${entry.type}`);
    if (message.participant) assert.equal(message.participant.event_pax_id, entry.event_pax_id);
  });
}

/** Everybody comes in and goes out, four at a time; `meanwhile` is called with how many scans were answered. */
async function rush(codes, meanwhile) {
  const waiting = [...codes];
  let answered = 0;
  const desk = async () => {
    for (let code = waiting.pop(); code !== undefined; code = waiting.pop()) {
      for (const direction of ['check-in', 'check-out']) {
        await scan(code, direction);
        answered += 1;
        await meanwhile(answered);
      }
    }
  };
  await Promise.all([desk(), desk(), desk(), desk()]);
}

async function a_rush_with_kills_in_it_arrives_once_and_in_order(seat) {
  const { eventId, codes } = await party(GUESTS);
  const other = await party(1);
  await seat.open('from a snapshot', { eventId, ...GOOD });
  await seat.open('from the beginning', { eventId, from: 'earliest', ...GOOD });
  await seat.open('the dashboard', { from: 'earliest', contiguous: true, ...GOOD });
  const names = ['from a snapshot', 'from the beginning', 'the dashboard'];
  for (const name of names) await isLive(seat, name);
  const [hello] = (await seat.look('from a snapshot')).messages;
  let kills = 0;
  await rush(codes, async (answered) => {
    if (answered % 10 === 0) await scan(other.codes[0], answered % 20 === 0 ? 'check-out' : 'check-in');
    if (kills < KILLS && answered >= ((kills + 1) * 2 * GUESTS) / (KILLS + 1)) {
      kills += 1;
      for (const name of names) await isLive(seat, name);
      await please('kill');
    }
  });
  assert.equal(kills, KILLS);
  const all = await log();
  const head = all.at(-1).offset;
  const ours = all.filter(({ event_id }) => event_id === eventId);
  assert.ok(ours.length > 3 * GUESTS && ours.length < all.length);

  for (const [name, expected] of [
    ['from a snapshot', ours.filter(({ offset }) => offset > offsetOf(hello.cursor))],
    ['from the beginning', ours],
    ['the dashboard', all],
  ]) {
    await has(seat, name, expected.at(-1).offset);
    await isLive(seat, name);
    const seen = await seat.look(name);
    isTheLog(events(seen.messages), expected);
    assert.ok(seen.counters.connections > KILLS, `${name} lived through every kill`);
    assert.deepEqual([seen.counters.faults, seen.counters.gaps, seen.counters.repeats], [0, 0, 0], JSON.stringify(seen.problems));
    assert.ok(offsetOf(seen.cursor) <= head);
  }
}

async function a_stream_goes_on_where_another_ended(seat) {
  const { eventId, codes } = await party();
  await seat.open('first', { eventId, ...GOOD });
  await isLive(seat, 'first');
  const here = (await scan(codes[0])).offset;
  await has(seat, 'first', here);
  const { cursor } = await seat.look('first');
  await seat.close('first');
  const missed = [];
  for (const code of codes.slice(1)) missed.push((await scan(code)).offset);
  await seat.open('second', { eventId, from: cursor, ...GOOD });
  await isLive(seat, 'second');
  missed.push((await scan(codes[0], 'check-out')).offset);
  await has(seat, 'second', missed.at(-1));
  const { messages, states } = await seat.look('second');
  assert.deepEqual(messages.map(({ offset }) => offset), missed);
  assert.deepEqual(states, ['connecting', 'catching_up', 'live']);
}

async function a_token_is_renewed_in_place(seat) {
  const { eventId, codes } = await party();
  // Each but the last runs out within the minute: the server says so at once, and again for the next.
  await seat.open('renewed', { eventId, lifetimes: [20, 30, 40, 3_600] });
  await isLive(seat, 'renewed');
  await until('three renewals', async () => (await seat.look('renewed')).asked.length === 4);
  await has(seat, 'renewed', (await scan(codes[0])).offset);
  const { asked, counters, problems } = await seat.look('renewed');
  assert.deepEqual(asked, ['connect', 'expiring', 'expiring', 'expiring']);
  assert.equal(counters.connections, 1);
  assert.deepEqual(problems, []);
}

async function an_expired_token_is_replaced_and_nothing_is_missed(seat) {
  const { eventId, codes } = await party();
  // Expired already, and let in for the few seconds that clocks may differ.
  await seat.open('expired', { eventId, lifetimes: [-3, 3_600], renewable: false });
  await isLive(seat, 'expired');
  const { offset } = await scan(codes[0]);
  await until('another connection', async () => (await seat.look('expired')).counters.connections === 2);
  await isLive(seat, 'expired');
  const last = (await scan(codes[1])).offset;
  await has(seat, 'expired', last);
  const { messages } = await seat.look('expired');
  assert.deepEqual(events(messages).map((message) => message.offset), [offset, last]);
}

async function a_silent_connection_is_replaced(seat) {
  const { eventId, codes } = await party();
  await seat.open('silent', { eventId, stoppedClock: true, ...GOOD });
  await isLive(seat, 'silent');
  await seat.advance('silent', 2.2 * 25_000 - 1);
  assert.equal((await seat.look('silent')).status.state, 'live');
  await seat.advance('silent', 1);
  assert.equal((await seat.look('silent')).status.state, 'stale');
  const { offset } = await scan(codes[0]);
  await seat.advance('silent', 500);
  await isLive(seat, 'silent');
  await has(seat, 'silent', offset);
  const { messages, states, counters } = await seat.look('silent');
  assert.deepEqual(events(messages).map((message) => message.offset), [offset]);
  assert.equal(counters.connections, 2);
  assert.deepEqual(states.slice(-3), ['stale', 'catching_up', 'live']);
}

async function somebody_taken_off_the_team_is_not_let_in_again(seat) {
  const { eventId } = await party();
  const team = `/api/events/${eventId}/service-team/steward/`;
  await ok('PUT', team, { body: { door_role: 'steward' } });
  const token = mint(3_600, { sub: 'steward', roles: [] });
  await seat.open('steward', { eventId, token });
  await isLive(seat, 'steward');
  await ok('DELETE', team);
  await until('the end', async () => (await seat.look('steward')).status.state === 'closed');
  const { reason, code } = (await seat.look('steward')).status;
  assert.deepEqual([reason, code], ['close_code', 4403]);
  await seat.open('steward again', { eventId, token });
  await until('the refusal', async () => (await seat.look('steward again')).status.state === 'closed');
  const again = (await seat.look('steward again')).status;
  assert.deepEqual([again.reason, again.code], ['refused', 404]);
}

async function another_log_is_a_reset(seat) {
  const { eventId, codes } = await party();
  await seat.open('all', GOOD);
  await seat.open('one', { eventId, ...GOOD });
  for (const name of ['all', 'one']) await isLive(seat, name);
  await has(seat, 'all', (await scan(codes[0])).offset);
  await please('replace the log');
  await until('the reset', async () => (await seat.look('all')).messages.some(({ type }) => type === 'reset'));
  await isLive(seat, 'all');
  const id = await gathering('In the new log');
  await has(seat, 'all', 1);
  const { messages } = await seat.look('all');
  const [reset, hello, created] = messages.slice(messages.findIndex(({ type }) => type === 'reset'));
  assert.equal(reset.reason, 'log_changed');
  assert.deepEqual([hello.type, hello.events], ['initial_data', []]);
  assert.deepEqual([created.offset, created.event_id], [1, id]);
  // Its event is not in this log: that no answer will change.
  await until('the end', async () => (await seat.look('one')).status.state === 'closed');
  assert.equal((await seat.look('one')).status.code, 404);
}

export const STORIES = [
  a_rush_with_kills_in_it_arrives_once_and_in_order,
  a_stream_goes_on_where_another_ended,
  a_token_is_renewed_in_place,
  an_expired_token_is_replaced_and_nothing_is_missed,
  a_silent_connection_is_replaced,
  somebody_taken_off_the_team_is_not_let_in_again,
  another_log_is_a_reset,
];
