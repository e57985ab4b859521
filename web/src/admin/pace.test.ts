import { describe, expect, it } from 'vitest';
import { paceWords, whatOf } from './pace';

const progress = { processed: 12_000, total: 20_000, events_per_second: 4_500, eta_seconds: 2 };

describe('how far a rebuild is', () => {
  it('is said with its speed and the time that is left', () => {
    expect(paceWords(progress)).toBe('12,000 of 20,000 events · 4,500 a second · 2 seconds left');
    expect(paceWords({ ...progress, eta_seconds: 1 })).toContain('1 second left');
    expect(paceWords({ ...progress, eta_seconds: 0 })).toContain('a moment left');
    expect(paceWords({ ...progress, eta_seconds: 125 })).toContain('2:05 left');
  });

  it('says nothing of a speed that nobody knows yet', () => {
    const words = paceWords({
      processed: 0,
      total: 20_000,
      events_per_second: 0,
      eta_seconds: null,
    });
    expect(words).toBe('0 of 20,000 events');
  });
});

describe('what a rebuild is for', () => {
  it('is a comparison, a dry run, or switching', () => {
    expect(whatOf({ dry_run: false, diff: false })).toBe('rebuild');
    expect(whatOf({ dry_run: true, diff: false })).toBe('dryRun');
    expect(whatOf({ dry_run: true, diff: true })).toBe('diff');
  });
});
