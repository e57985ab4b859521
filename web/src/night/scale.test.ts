import { describe, expect, it } from 'vitest';
import { barsOf, bucketSeconds, eveningOf, marksOf } from './scale';

const ms = (text: string) => Date.parse(text);
const MINUTE_MS = 60_000;
const bucket = (start: string, total: number) => ({ start, total });

describe('the evening', () => {
  it('is from the first arrivals to the last scan', () => {
    const buckets = [bucket('2026-05-01T18:00:00Z', 40), bucket('2026-05-01T18:10:00Z', 60)];
    expect(eveningOf(buckets, 10 * MINUTE_MS, ms('2026-05-01T23:12:00Z'))).toEqual({
      from: ms('2026-05-01T18:00:00Z'),
      to: ms('2026-05-01T23:12:00Z'),
    });
  });

  it('leaves out a test of the scanners the week before, and a scan the month after', () => {
    const buckets = [
      bucket('2026-04-24T10:00:00Z', 1),
      bucket('2026-05-01T18:00:00Z', 400),
      bucket('2026-05-01T18:10:00Z', 0),
    ];
    expect(eveningOf(buckets, 10 * MINUTE_MS, ms('2026-06-01T10:00:00Z'))).toEqual({
      from: ms('2026-05-01T18:00:00Z'),
      to: ms('2026-05-01T18:10:00Z'),
    });
  });

  it('of several days is all of them', () => {
    const buckets = [
      bucket('2026-05-01T09:00:00Z', 100),
      bucket('2026-05-02T09:00:00Z', 80),
      bucket('2026-05-03T09:00:00Z', 60),
    ];
    const span = eveningOf(buckets, 10 * MINUTE_MS, ms('2026-05-03T17:00:00Z'));
    expect(span).toEqual({ from: ms('2026-05-01T09:00:00Z'), to: ms('2026-05-03T17:00:00Z') });
  });

  it('is none where nobody came, or everybody at once', () => {
    expect(eveningOf([], MINUTE_MS, null)).toBeNull();
    const buckets = [bucket('2026-05-01T18:00:00Z', 5)];
    expect(eveningOf(buckets, MINUTE_MS, ms('2026-05-01T18:00:03Z'))).toBeNull();
  });
});

describe('marks', () => {
  it('stand at whole hours of the zone', () => {
    const span = { from: ms('2026-05-01T16:12:00Z'), to: ms('2026-05-01T22:00:00Z') };
    const marks = marksOf(span, 'Asia/Kathmandu', 8);
    expect(marks[0]).toBe(ms('2026-05-01T16:15:00Z'));
    expect(marks).toHaveLength(6);
  });

  it('stay at even hours over the change of the clocks', () => {
    const span = { from: ms('2026-10-24T20:00:00Z'), to: ms('2026-10-25T10:00:00Z') };
    const hours = marksOf(span, 'Europe/Berlin', 8).map((at) =>
      new Intl.DateTimeFormat('en', {
        timeZone: 'Europe/Berlin',
        hour: 'numeric',
        hourCycle: 'h23',
      }).format(at),
    );
    expect(hours.every((hour) => Number(hour) % 2 === 0)).toBe(true);
    expect(hours).toContain('04');
  });

  it('are as many as fit', () => {
    for (const minutes of [1, 7, 45, 300, 1500, 20_000]) {
      const marks = marksOf({ from: 30_000, to: minutes * MINUTE_MS }, 'UTC', 6);
      expect(marks.length).toBeLessThanOrEqual(7);
    }
  });
});

describe('bars', () => {
  it('are where their minutes are, and as high as their share', () => {
    const buckets = [bucket('1970-01-01T00:00:00Z', 5), bucket('1970-01-01T00:01:00Z', 10)];
    const bars = barsOf(buckets, MINUTE_MS, (at) => at / (4 * MINUTE_MS));
    expect(bars).toEqual([
      { from: 0, to: 0.25, height: 0.5 },
      { from: 0.25, to: 0.5, height: 1 },
    ]);
  });

  it('outside of the scale are not drawn', () => {
    const buckets = [bucket('1970-01-01T00:00:00Z', 5), bucket('1970-01-01T00:09:00Z', 10)];
    expect(barsOf(buckets, MINUTE_MS, (at) => at / MINUTE_MS - 1)).toEqual([]);
  });

  it('are so many that each can be seen', () => {
    expect(bucketSeconds({ from: 0, to: 5 * 60 * MINUTE_MS }, 150)).toBe(120);
    expect(bucketSeconds({ from: 0, to: 3 * MINUTE_MS }, 150)).toBe(60);
  });
});
