import { describe, expect, it } from 'vitest';
import { bytes, duration, minute, moment, number, recent, time } from './format';

describe('a moment', () => {
  it('is shown in the zone of its gathering, summer and winter', () => {
    expect(time('2026-07-01T19:40:03Z', 'Europe/Berlin')).toBe('21:40:03');
    expect(time('2026-12-01T19:40:03Z', 'Europe/Berlin')).toBe('20:40:03');
    expect(time('2026-07-01T19:40:03Z', 'Asia/Kathmandu')).toBe('01:25:03');
  });

  it('tells the two hours apart by nothing but the date when the clocks go back, and never shows 24:00', () => {
    expect(minute('2026-10-25T00:30:00Z', 'Europe/Berlin')).toBe('02:30');
    expect(minute('2026-10-25T01:30:00Z', 'Europe/Berlin')).toBe('02:30');
    expect(minute('2026-10-24T22:00:00Z', 'Europe/Berlin')).toBe('00:00');
  });

  it('is shown in UTC where the browser does not know the zone', () => {
    expect(time('2026-07-01T19:40:03Z', 'Mars/Olympus')).toBe('19:40:03');
  });

  it('has its day in front where that is another one', () => {
    const now = Date.parse('2026-07-01T21:30:00Z');
    expect(recent('2026-07-01T19:40:03Z', 'UTC', now)).toBe('19:40:03');
    expect(recent('2026-06-30T19:40:03Z', 'UTC', now)).toContain('Jun');
    // Already the second of July in Berlin an hour later.
    expect(recent('2026-07-01T19:40:03Z', 'Europe/Berlin', now + 3_600_000)).toContain('Jul');
  });

  it('is a dash when it is none', () => {
    expect(moment('soon')).toBe('–');
  });
});

describe('amounts', () => {
  it('are grouped', () => {
    expect(number(1234567)).toBe('1,234,567');
    expect(number(0.25, 1)).toBe('0.3');
  });

  it('of bytes have a unit that fits', () => {
    expect(bytes(0)).toBe('0 bytes');
    expect(bytes(1_250_000)).toBe('1.3 MB');
    expect(bytes(812_000_000)).toBe('812 MB');
  });

  it('of time are read like a clock', () => {
    expect(duration(0)).toBe('0:00');
    expect(duration(125.4)).toBe('2:05');
    expect(duration(3723)).toBe('1:02:03');
    expect(duration(-5)).toBe('0:00');
  });
});
