import { describe, expect, it } from 'vitest';
import type { Gathering } from '../../api/client';
import { localTime } from '../../time/zone';
import { changesOf, countChanges, draftOf } from './changes';

const gathering: Gathering = {
  id: '0197c0de-0000-7000-8000-000000000001',
  name: 'Summer night',
  start_date: '2026-07-01T16:00:00Z',
  end_date: null,
  time_zone: 'Europe/Berlin',
  capacity: 100,
  capacity_mode: 'warn',
  reentry: 'after_check_out',
  opens_at: '2026-07-01T15:30:30Z',
  closes_at: null,
  registration: 'staff',
  creator: 'olga',
  participant_count: 0,
  checked_in_count: 0,
  inside_count: 0,
  offset: 1,
};

describe('the form', () => {
  it('holds local times of the zone', () => {
    const draft = draftOf(gathering);
    expect(draft.start_date).toBe('2026-07-01T18:00');
    expect(draft.opens_at).toBe('2026-07-01T17:30:30');
    expect(draft.end_date).toBe('');
  });

  it('knows winter, midnight, and a zone that this browser does not know', () => {
    expect(localTime('2026-12-31T23:00:00Z', 'Europe/Berlin')).toBe('2027-01-01T00:00');
    expect(localTime('2026-07-01T16:00:00Z', 'Asia/Kathmandu')).toBe('2026-07-01T21:45');
    expect(localTime('2026-07-01T16:00:00Z', 'Mars/Olympus')).toBe('2026-07-01T16:00');
  });
});

describe('what is sent', () => {
  const before = draftOf(gathering);

  it('is nothing when nothing was changed', () => {
    expect(changesOf(before, { ...before })).toEqual({});
    expect(countChanges(before, { ...before })).toBe(0);
  });

  it('is only what was changed', () => {
    const now = { ...before, capacity: 120, closes_at: '2026-07-02T02:00' };
    expect(changesOf(before, now)).toEqual({ capacity: 120, closes_at: '2026-07-02T02:00' });
    expect(countChanges(before, now)).toBe(2);
  });

  it('clears what was emptied', () => {
    const now = { ...before, capacity: null, opens_at: '' };
    expect(changesOf(before, now)).toEqual({ capacity: null, opens_at: null });
  });

  it('holds every time when the zone was changed, so that they stay as they read', () => {
    const now = { ...before, time_zone: 'Europe/London' };
    expect(changesOf(before, now)).toEqual({
      time_zone: 'Europe/London',
      start_date: '2026-07-01T18:00',
      opens_at: '2026-07-01T17:30:30',
    });
    expect(countChanges(before, now)).toBe(1);
  });
});
