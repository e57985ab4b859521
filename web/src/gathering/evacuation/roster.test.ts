import { describe, expect, it } from 'vitest';
import type { Participant } from '../../api/client';
import { readRoster, readTicks, rosterOf, rowsOf } from './roster';

const row = {
  id: 'a',
  event_id: 'g',
  event_pax_id: 'SECRET-CODE',
  user: { first_name: 'Ada', last_name: 'Adler', email: 'ada@example.org' },
  note: 'allergic',
  status: 'registered',
  checked_in: true,
  check_in_time: '2026-05-01T19:00:00Z',
  last_gate: 'north',
  entries: 3,
  offset: 9,
} as Participant;

const roster = rosterOf({ name: 'Ball', time_zone: 'Europe/Lisbon' }, 12, 1000, [row]);

describe('the kept list', () => {
  it('comes back as it was kept', () => {
    const back = readRoster(JSON.parse(JSON.stringify(roster)));
    expect(back).toEqual(roster);
    expect(back && rowsOf(back, 'g')[0]).toMatchObject({
      id: 'a',
      checked_in: true,
      last_gate: 'north',
      check_in_time: '2026-05-01T19:00:00Z',
    });
  });

  it('holds no more than the list shows', () => {
    const text = JSON.stringify(roster);
    for (const secret of ['SECRET-CODE', 'ada@example.org', 'allergic']) {
      expect(text).not.toContain(secret);
    }
  });

  it.each([
    undefined,
    null,
    'text',
    {},
    { ...roster, offset: '12' },
    { ...roster, people: [['a']] },
    { ...roster, people: [['a', 'b', 'c', 1, null]] },
  ])('is nothing when it is broken: %j', (value) => expect(readRoster(value)).toBe(null));
});

describe('the kept ticks', () => {
  it('are ids, and nothing else', () => {
    expect([...readTicks(['a', 'b', 3, null])]).toEqual(['a', 'b']);
    expect([...readTicks(undefined)]).toEqual([]);
    expect([...readTicks({ a: 1 })]).toEqual([]);
  });
});
