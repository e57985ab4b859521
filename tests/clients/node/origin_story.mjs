// The origin's client at work, told the same in Node (by header and by subprotocol) and in a page (by cookie).

import assert from 'node:assert/strict';

import { gathering, ok, register, request, scan, until } from './server.mjs';

/** `desk` opens the client for an event, looks at what it shows, and lets its interval pass. */
export async function the_client_of_the_origin_works_without_a_change(desk) {
  const eventId = await gathering('As it was');
  const code = (n) => `${eventId.slice(-8)}-${n}`;
  await register(eventId, code(1));
  await desk.open(eventId);
  await until('both first messages', async () => (await desk.look()).types.filter((type) => type === 'initial_data').length === 2);
  const { event, participants } = await desk.look();
  assert.deepEqual([event.id, event.name, event.start_date, event.participant_count], [eventId, 'As it was', '2026-05-01T18:00:00Z', 1]);
  assert.deepEqual(Object.keys(participants), [code(1)]);
  assert.equal(participants[code(1)].checked_in, false);

  const answer = await scan(code(1));
  assert.equal((await request('POST', `/api/events/participants/${code(1)}/check-in/`)).status, 409);
  await register(eventId, code(2));
  await ok('PATCH', `/api/events/${eventId}/`, { body: { name: 'As it is' } });
  await scan(code(2));
  await until('the second guest', async () => (await desk.look()).notifications.length === 2);
  const shown = await desk.look();
  assert.deepEqual(shown.notifications, ['Ada checkin', 'Ada checkin']);
  assert.deepEqual(shown.participants[code(1)], answer.participant);
  assert.equal(shown.participants[code(2)].checked_in, true);

  assert.deepEqual(await desk.letTheIntervalPass(), [30_000]);
  await until('the answer to its ping', async () => (await desk.look()).types.includes('pong'));
  await until('the badges', async () => (await desk.look()).badges.length === 5);
  assert.deepEqual(
    (await desk.look()).badges,
    ['participant_checked_in', 'scan_refused', 'participant_registered', 'gathering_changed', 'participant_checked_in'].map((type) => [eventId, type]),
  );
}
