import { describe, expect, it } from 'vitest';
import { paceOf, SPAN_MINUTES } from './pace';

const NOW = Date.parse('2026-05-01T21:40:30Z');

function bucket(start: string, total: number) {
  return { start, total, counts: [total] };
}

describe('the pace of arrivals', () => {
  it('is nothing when nobody has come', () => {
    expect(paceOf({ buckets: [] }, NOW)).toEqual({
      counts: new Array(SPAN_MINUTES).fill(0),
      perMinute: 0,
    });
  });

  it('puts each bucket into its minute, the running one last', () => {
    const { counts } = paceOf(
      { buckets: [bucket('2026-05-01T21:11:00Z', 3), bucket('2026-05-01T21:40:00Z', 7)] },
      NOW,
    );
    expect(counts[0]).toBe(3);
    expect(counts.at(-1)).toBe(7);
    expect(counts.reduce((sum, count) => sum + count)).toBe(10);
  });

  it('leaves out what is older than the span, and what a fast clock put into the future', () => {
    const { counts } = paceOf(
      { buckets: [bucket('2026-05-01T21:10:00Z', 3), bucket('2026-05-01T21:41:00Z', 7)] },
      NOW,
    );
    expect(counts.every((count) => count === 0)).toBe(true);
  });

  it('means the last five minutes', () => {
    const buckets = [
      bucket('2026-05-01T21:35:00Z', 100),
      bucket('2026-05-01T21:36:00Z', 4),
      bucket('2026-05-01T21:40:00Z', 6),
    ];
    expect(paceOf({ buckets }, NOW).perMinute).toBe(2);
  });
});
