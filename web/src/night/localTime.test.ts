import { describe, expect, it } from 'vitest';
import { aheadMs } from '../time/zone';
import { findTime, momentsOf, typedTime } from './localTime';

const ms = (text: string) => Date.parse(text);
const evening = (from: string, to: string) => ({ from: ms(from), to: ms(to) });
const HOUR_MS = 3_600_000;

describe('a typed time', () => {
  it('is read in the ways that people write it', () => {
    const of = (text: string) => {
      const typed = typedTime(text);
      return typed && [typed.hour, typed.minute, typed.second];
    };
    expect(of('21:40')).toEqual([21, 40, 0]);
    expect(of(' 21.40 ')).toEqual([21, 40, 0]);
    expect(of('2140')).toEqual([21, 40, 0]);
    expect(of('21:40 Uhr')).toEqual([21, 40, 0]);
    expect(of('9:40 pm')).toEqual([21, 40, 0]);
    expect(of('12:05 AM')).toEqual([0, 5, 0]);
    expect(of('24:00')).toEqual([0, 0, 0]);
    expect(of('07:05:09')).toEqual([7, 5, 9]);
  });

  it('is none where it cannot be one', () => {
    for (const text of [
      '',
      'soon',
      '25:00',
      '21:60',
      '24:01',
      '13:00 pm',
      '0:10 pm',
      '21',
      '21:40:61',
    ])
      expect(typedTime(text), text).toBeNull();
  });

  it('may have a day before it, that there is', () => {
    expect(typedTime('2026-05-01 21:40')?.date).toEqual({ year: 2026, month: 5, day: 1 });
    expect(typedTime('2026-02-30 21:40')).toBeNull();
  });
});

describe('the clocks of a zone', () => {
  it('are ahead of UTC by the hours of the season', () => {
    expect(aheadMs(ms('2026-07-01T12:00:00Z'), 'Europe/Berlin')).toBe(2 * HOUR_MS);
    expect(aheadMs(ms('2026-12-01T12:00:00.750Z'), 'Europe/Berlin')).toBe(HOUR_MS);
    expect(aheadMs(ms('2026-07-01T12:00:00Z'), 'Asia/Kathmandu')).toBe(5.75 * HOUR_MS);
    expect(aheadMs(ms('2026-07-01T12:00:00Z'), 'America/St_Johns')).toBe(-2.5 * HOUR_MS);
  });

  it('show a time once, twice, or never', () => {
    const wall = { year: 2026, month: 10, day: 25, hour: 2, minute: 30, second: 0 };
    expect(momentsOf(wall, 'Europe/Berlin')).toEqual([
      ms('2026-10-25T00:30:00Z'),
      ms('2026-10-25T01:30:00Z'),
    ]);
    expect(momentsOf({ ...wall, hour: 4 }, 'Europe/Berlin')).toEqual([ms('2026-10-25T03:30:00Z')]);
    expect(momentsOf({ ...wall, month: 3, day: 29 }, 'Europe/Berlin')).toEqual([]);
    // Half an hour, on Lord Howe Island.
    const half = { year: 2026, month: 4, day: 5, hour: 1, minute: 45, second: 0 };
    expect(momentsOf(half, 'Australia/Lord_Howe')).toHaveLength(2);
  });
});

describe('jumping to a time', () => {
  it('finds it in the evening, before and after midnight', () => {
    const span = evening('2026-05-01T16:00:00Z', '2026-05-02T01:00:00Z');
    const find = (text: string) => findTime(text, 'Europe/Berlin', span, span.from);
    expect(find('21:40')).toEqual({
      kind: 'found',
      at: ms('2026-05-01T19:40:00Z'),
      isOneOfMany: false,
    });
    expect(find('01:30')).toMatchObject({ at: ms('2026-05-01T23:30:00Z') });
    expect(find('12:00')).toEqual({ kind: 'outside' });
    expect(find('noon')).toEqual({ kind: 'no-time' });
  });

  it('leads to the second time when the clocks went back and it is typed again', () => {
    const span = evening('2026-10-24T18:00:00Z', '2026-10-25T04:00:00Z');
    const first = findTime('02:30', 'Europe/Berlin', span, span.from);
    expect(first).toEqual({ kind: 'found', at: ms('2026-10-25T00:30:00Z'), isOneOfMany: true });
    const again = findTime('02:30', 'Europe/Berlin', span, ms('2026-10-25T00:30:00.400Z'));
    expect(again).toMatchObject({ at: ms('2026-10-25T01:30:00Z') });
    const round = findTime('02:30', 'Europe/Berlin', span, ms('2026-10-25T01:30:00Z'));
    expect(round).toMatchObject({ at: ms('2026-10-25T00:30:00Z') });
  });

  it('says where the clocks went forward over it', () => {
    const span = evening('2026-03-28T18:00:00Z', '2026-03-29T04:00:00Z');
    expect(findTime('02:30', 'Europe/Berlin', span, span.from)).toEqual({
      kind: 'skipped',
      at: ms('2026-03-29T01:00:00Z'),
    });
  });

  it('of several days takes the one nearest to where one is, or the day that is named', () => {
    const span = evening('2026-05-01T08:00:00Z', '2026-05-03T20:00:00Z');
    const find = (text: string, current: string) => findTime(text, 'UTC', span, ms(current));
    expect(find('10:00', '2026-05-02T12:00:00Z')).toMatchObject({
      at: ms('2026-05-02T10:00:00Z'),
      isOneOfMany: true,
    });
    expect(find('2026-05-03 10:00', '2026-05-01T12:00:00Z')).toMatchObject({
      at: ms('2026-05-03T10:00:00Z'),
      isOneOfMany: false,
    });
    expect(find('2026-05-09 10:00', '2026-05-01T12:00:00Z')).toEqual({ kind: 'outside' });
  });
});
