import type { StreamMessage } from 'doorbook-stream';
import { describe, expect, it } from 'vitest';
import type { HistoryEntry } from '../api/client';
import { linesOf } from './lines';
import { offsetOf, Picture, SCANS_MAX } from './picture';

const counts = (inside: number, checked_in = inside, registered = 10) => ({
  inside,
  checked_in,
  registered,
  capacity: 20,
});

const row = (id: string, offset: number, checked_in = false) => ({
  id,
  event_pax_id: `T-${id}`,
  user: { first_name: id, last_name: id, email: null },
  status: 'registered',
  checked_in,
  check_in_time: checked_in ? '2026-05-01T19:00:00Z' : null,
  last_gate: checked_in ? 'north' : null,
  offset,
});

function begun(): Picture {
  const picture = new Picture();
  picture.apply({
    type: 'initial_data',
    event: {
      id: 'g',
      name: 'Ball',
      participant_count: 10,
      checked_in_count: 0,
      inside_count: 0,
      capacity: 20,
      offset: 4,
    },
    participants: [row('a', 2), row('b', 3)],
    cursor: 'epoch:4',
  } as unknown as StreamMessage);
  return picture;
}

const scan = (offset: number, more: object = {}) =>
  ({
    type: 'checkin_update',
    action: 'checkin',
    participant: row('a', offset, true),
    timestamp: '2026-05-01T19:00:00Z',
    gate: 'north',
    offset,
    occupancy: counts(1),
    warnings: [],
    ...more,
  }) as unknown as StreamMessage;

const refusal = (offset: number) =>
  ({
    type: 'scan_refused',
    participant: row('a', offset, true),
    code: 'already_checked_in',
    previous: { at: '2026-05-01T19:00:00Z', gate: 'north', device: null, by: 'asha' },
    timestamp: '2026-05-01T19:05:00Z',
    gate: 'south',
    offset,
    action: 'checkin',
    warnings: [],
  }) as unknown as StreamMessage;

describe('the picture of a gathering', () => {
  it('begins with the snapshot, at its offset', () => {
    const picture = begun();
    expect(picture.occupancy).toEqual(counts(0));
    expect(picture.offset).toBe(4);
    expect(picture.people.size).toBe(2);
  });

  it('shows the counts of the server, and never its own', () => {
    const picture = begun();
    picture.apply(scan(5, { occupancy: counts(7, 9, 12) }));
    expect(picture.occupancy).toEqual(counts(7, 9, 12));
    picture.apply(refusal(6));
    expect(picture.occupancy).toEqual(counts(7, 9, 12));
  });

  it('takes the counts of the gathering only when they are not older than its own', () => {
    const picture = begun();
    picture.apply(scan(9, { occupancy: counts(3) }));
    const gathering = { ...picture.gathering, offset: 5, inside_count: 0 };
    picture.describe(gathering as NonNullable<Picture['gathering']>);
    expect(picture.occupancy?.inside).toBe(3);
    expect(picture.offset).toBe(9);
  });

  it('changes the row of who was scanned, and says what happened, newest first', () => {
    const picture = begun();
    picture.apply(scan(5));
    picture.apply(refusal(6));
    expect(picture.people.get('a')?.checked_in).toBe(true);
    expect(picture.scans.map((line) => [line.kind, line.offset])).toEqual([
      ['refused', 6],
      ['in', 5],
    ]);
    expect(picture.scans[0]?.previous?.by).toBe('asha');
  });

  it('keeps what is to be looked at, however many scans come after it', () => {
    const picture = begun();
    picture.apply(refusal(5));
    picture.apply(scan(6, { warnings: [{ code: 'already_checked_in' }] }));
    for (let offset = 7; offset < 7 + 2 * SCANS_MAX; offset += 1) picture.apply(scan(offset));
    expect(picture.scans).toHaveLength(SCANS_MAX);
    expect(picture.alerts.map((line) => line.offset)).toEqual([6, 5]);
    expect(picture.alerts[0]?.warnings).toEqual(['already_checked_in']);
  });

  it('lists no registration among the scans', () => {
    const picture = begun();
    picture.apply({
      type: 'participant_registered',
      participant: row('c', 5),
      timestamp: '2026-05-01T19:00:00Z',
      offset: 5,
      occupancy: counts(0, 0, 11),
    } as unknown as StreamMessage);
    expect(picture.scans).toEqual([]);
    expect(picture.people.size).toBe(3);
    expect(picture.occupancy?.registered).toBe(11);
  });

  it('asks for arrivals and the gathering again when they may differ', () => {
    const picture = begun();
    const { arrivalsRevision, gatheringRevision } = picture;
    picture.apply(scan(5));
    expect(picture.arrivalsRevision).toBeGreaterThan(arrivalsRevision);
    picture.apply({
      type: 'event_update',
      event_id: 'g',
      update_type: 'gathering_changed',
      data: {},
      counts: { registered: 10, checked_in: 1, inside: 1 },
      timestamp: '2026-05-01T19:00:00Z',
      offset: 6,
    });
    expect(picture.gatheringRevision).toBeGreaterThan(gatheringRevision);
    expect(picture.occupancy?.capacity).toBe(20);
  });

  it('holds nothing after a reset', () => {
    const picture = begun();
    picture.apply(scan(5));
    picture.apply({ type: 'reset', reason: 'log_changed' });
    expect([picture.people.size, picture.scans, picture.alerts]).toEqual([0, [], []]);
    expect(picture.occupancy).toBe(null);
  });

  it('ignores what it does not know', () => {
    const picture = begun();
    picture.apply({ type: 'weather', offset: 99 } as unknown as StreamMessage);
    expect(picture.offset).toBe(4);
  });
});

describe('the offset of a cursor', () => {
  it.each([
    ['abc:12', 12],
    ['a:b:7', 7],
    ['nothing', 0],
  ])('%j is %d', (cursor, offset) => expect(offsetOf(cursor)).toBe(offset));
});

describe('lines of the history', () => {
  const entry = (offset: number, type: string, more: Partial<HistoryEntry> = {}) =>
    ({
      offset,
      type,
      participant_id: 'a',
      occurred_at: `2026-05-01T19:0${offset}:00Z`,
      actor: { id: 'asha', role: 'steward' },
      gate: 'north',
      ...more,
    }) as HistoryEntry;

  it('are newest first, and leave out what is no scan', () => {
    const lines = linesOf(
      [
        entry(1, 'participant_registered'),
        entry(2, 'participant_checked_in', { outcome: 'admitted' }),
        entry(3, 'gathering_changed'),
        entry(4, 'scan_undone'),
      ],
      begun().people,
    );
    expect(lines.map((line) => [line.kind, line.code])).toEqual([
      ['updated', 'undone'],
      ['in', null],
    ]);
    expect(lines[0]?.participant?.id).toBe('a');
  });

  it('know of a refusal what was used before it', () => {
    const [refused] = linesOf(
      [
        entry(2, 'participant_checked_in', { outcome: 'admitted' }),
        entry(4, 'scan_refused', { outcome: 'refused', code: 'already_checked_in' }),
      ],
      begun().people,
    );
    expect(refused?.code).toBe('already_checked_in');
    expect(refused?.previous).toEqual({
      at: '2026-05-01T19:02:00Z',
      gate: 'north',
      device: null,
      by: 'asha',
    });
  });

  it('know it from the person, when the entries do not reach back so far', () => {
    const picture = begun();
    picture.apply(scan(5));
    const [refused] = linesOf(
      [entry(6, 'scan_refused', { outcome: 'refused', code: 'already_checked_in' })],
      picture.people,
    );
    expect(refused?.previous?.at).toBe('2026-05-01T19:00:00Z');
  });

  it('mark what was admitted against a rule', () => {
    const [overridden, offline] = linesOf(
      [
        entry(2, 'participant_checked_in', {
          outcome: 'admitted',
          code: 'already_checked_in',
          mode: 'offline_fact',
        }),
        entry(3, 'participant_checked_in', { outcome: 'admitted', code: 'capacity_full' }),
      ],
      begun().people,
    );
    expect(overridden?.warnings).toEqual(['overridden']);
    expect(offline?.warnings).toEqual(['already_checked_in']);
  });
});
