import { describe, expect, it } from 'vitest';
import { doorTimes, knownOf, Timeline, type Known } from './timeline';
import type { HistoryEntry } from '../api/client';

const scan = (offset: number, at: number): Known => ({ offset, at, isScan: true });
const note = (offset: number, at: number): Known => ({ offset, at, isScan: false });

describe('door times', () => {
  it('are those of the events where everything came in order', () => {
    expect(doorTimes([note(1, 10), scan(2, 20), note(3, 25), scan(4, 30)])).toEqual([
      10, 20, 25, 30,
    ]);
  });

  it('stand still for what was uploaded late, and never go back', () => {
    expect(doorTimes([scan(1, 100), scan(2, 40), scan(3, 60), scan(4, 120)])).toEqual([
      100, 100, 100, 120,
    ]);
  });

  it('of an evening that was entered afterwards are those of the evening', () => {
    // Created and registered at 500, scanned from 100 to 200, a registration at 501 in the middle.
    const events = [note(1, 500), note(2, 500), scan(3, 100), note(4, 501), scan(5, 200)];
    expect(doorTimes(events)).toEqual([-Infinity, -Infinity, 100, 100, 200]);
    const line = new Timeline();
    line.add(events, 0, 5);
    // Whoever looks at the time before the doors opened sees the registrations.
    expect(line.bracket(99)).toMatchObject({ before: { offset: 2 }, isExact: true });
    expect(line.timeAt(1)).toBe(100);
  });

  it('of what is no scan after the last scan are its own', () => {
    expect(doorTimes([scan(1, 100), note(2, 300), note(3, 250)])).toEqual([100, 300, 300]);
  });

  it('do not believe a device whose clock is ahead', () => {
    const entry = {
      offset: 7,
      type: 'participant_checked_in',
      occurred_at: '2026-05-01T22:00:00Z',
      recorded_at: '2026-05-01T21:00:00Z',
    } as HistoryEntry;
    expect(knownOf(entry)).toEqual(scan(7, Date.parse('2026-05-01T21:00:00Z')));
  });
});

describe('a timeline', () => {
  it('answers which event was the last at a time', () => {
    const line = new Timeline();
    line.add([scan(5, 100), scan(9, 200), scan(12, 200), scan(20, 300)], 0, 20);
    expect(line.bracket(99)).toMatchObject({ before: null, after: { offset: 5 } });
    expect(line.bracket(100)).toMatchObject({ before: { offset: 5 }, isExact: true });
    // Two at the same time: both have happened.
    expect(line.bracket(200)).toMatchObject({ before: { offset: 12 }, after: { offset: 20 } });
    expect(line.bracket(999)).toMatchObject({ before: { offset: 20 }, after: null });
  });

  it('says when there may be events between', () => {
    const line = new Timeline();
    line.add([scan(5, 100)], 4, 5);
    line.add([scan(50, 500)], 49, 50);
    expect(line.bracket(300)).toMatchObject({ isExact: false });
    line.add([scan(6, 200), scan(30, 400)], 5, 30);
    expect(line.bracket(300)).toMatchObject({ before: { offset: 6 }, isExact: true });
    expect(line.bracket(450)).toMatchObject({ before: { offset: 30 }, isExact: false });
    line.add([], 30, 49);
    expect(line.bracket(450)).toMatchObject({ before: { offset: 30 }, isExact: true });
  });

  it('knows the event before only where nothing is missing', () => {
    const line = new Timeline();
    line.add([scan(5, 100), scan(9, 200)], 4, 10);
    expect(line.previous(9)).toBe(5);
    expect(line.previous(10)).toBe(9);
    expect(line.previous(5)).toBeUndefined();
    expect(line.previous(12)).toBeUndefined();
  });

  it('replaces what it knew of a span, and keeps the rest', () => {
    const line = new Timeline();
    line.add([scan(5, 100), scan(9, 200)], 0, 10);
    line.add([scan(9, 200), scan(15, 250)], 6, 20);
    expect(line.events.map((known) => known.offset)).toEqual([5, 9, 15]);
    expect(line.covers(0, 20)).toBe(true);
    expect(line.covers(0, 21)).toBe(false);
  });

  it('gives the time of an offset that belongs to another gathering as that of the event before it', () => {
    const line = new Timeline();
    line.add([scan(5, 100), scan(9, 200)], 0, 10);
    expect(line.timeAt(7)).toBe(100);
    expect(line.timeAt(9)).toBe(200);
    expect(line.timeAt(2)).toBe(100);
    expect(new Timeline().timeAt(2)).toBeNull();
  });

  it('places a time between two events by its share', () => {
    const line = new Timeline();
    line.add([scan(10, 100), scan(20, 200)], 0, 20);
    expect(line.offsetNear(150)).toBe(15);
    expect(line.offsetNear(10)).toBe(10);
    expect(line.offsetNear(900)).toBe(20);
  });
});
