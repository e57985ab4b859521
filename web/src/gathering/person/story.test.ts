import { describe, expect, it } from 'vitest';
import type { HistoryEntry } from '../../api/client';
import { gathering } from '../../i18n/en/gathering';
import { lastScan, storyUntil, told } from './story';

const telling = {
  texts: gathering.story,
  refusal: (code: string) => `<${code}>`,
  time: (moment: string) => moment.slice(11, 16),
};

const entry = (type: string, more: Partial<HistoryEntry> = {}) =>
  ({
    offset: 7,
    type,
    occurred_at: '2026-05-01T19:00:00Z',
    recorded_at: '2026-05-01T19:00:01Z',
    actor: { id: 'asha', name: 'Asha Rao', role: 'steward' },
    ...more,
  }) as HistoryEntry;

describe('an entry in words', () => {
  it('says what, where, with what and by whom', () => {
    const { kind, text, circumstances, remarks } = told(
      entry('participant_checked_in', { gate: 'north', device: 'scanner-3' }),
      telling,
    );
    expect([kind, text]).toEqual(['in', 'Came in']);
    expect(circumstances).toBe('at north with scanner-3 by Asha Rao (steward)');
    expect(remarks).toEqual([]);
  });

  it('says why somebody was refused, and at which way', () => {
    const refused = (code: string) => told(entry('scan_refused', { code }), telling).text;
    expect(refused('already_checked_in')).toBe(
      'Wanted to come in and was refused: <already_checked_in>',
    );
    expect(refused('not_checked_in')).toBe('Wanted to go out and was refused: <not_checked_in>');
  });

  it('says which rule was overridden, and the reason', () => {
    const { remarks } = told(
      entry('participant_checked_in', { code: 'capacity_full', reason: 'the band' }),
      telling,
    );
    expect(remarks).toEqual(['against the rule “<capacity_full>”', 'Reason: the band']);
  });

  it('says that a scan was made offline, what it broke, and when it came', () => {
    const { remarks } = told(
      entry('participant_checked_in', {
        code: 'already_checked_in',
        mode: 'offline_fact',
        recorded_at: '2026-05-01T19:20:00Z',
      }),
      telling,
    );
    expect(remarks).toEqual([
      'scanned offline',
      'although: <already_checked_in>',
      'recorded 19:20',
    ]);
  });

  it('marks what was taken back, and names what took it back', () => {
    expect(told(entry('participant_checked_in', { undone_by: 9 }), telling).isTakenBack).toBe(true);
    expect(told(entry('scan_undone', { undoes: 7 }), telling).text).toBe('Scan 7 was taken back');
  });

  it('names a type that it does not know', () => {
    expect(told(entry('ticket_reprinted'), telling).text).toBe('Recorded: ticket reprinted');
  });

  it('names an actor without a name by the id', () => {
    const actor = { id: 'door-7', role: 'steward' as const };
    expect(told(entry('participant_registered', { actor }), telling).circumstances).toBe(
      'by door-7 (steward)',
    );
  });
});

describe('the story at a moment of the past', () => {
  const entries = [
    entry('participant_registered', { offset: 1 }),
    entry('participant_checked_in', { offset: 3, undone_by: 5 }),
    entry('scan_undone', { offset: 5, undoes: 3 }),
  ];
  const toldUntil = (until: number) =>
    storyUntil(entries, until).map((entry) => [entry.offset, entry.undone_by ?? null]);

  it('knows nothing of what came later, nor what was taken back later', () => {
    expect(toldUntil(2)).toEqual([[1, null]]);
    expect(toldUntil(4)).toEqual([
      [1, null],
      [3, null],
    ]);
  });

  it('says what was taken back from then on', () => {
    const whole = [
      [1, null],
      [3, 5],
      [5, null],
    ];
    expect(toldUntil(5)).toEqual(whole);
    expect(toldUntil(Infinity)).toEqual(whole);
  });
});

describe('the last scan that counts', () => {
  it('is the newest that was neither refused nor taken back', () => {
    const entries = [
      entry('participant_checked_in', { offset: 1, outcome: 'admitted' }),
      entry('participant_checked_out', { offset: 2, outcome: 'exited' }),
      entry('participant_checked_in', { offset: 3, outcome: 'admitted', undone_by: 5 }),
      entry('scan_refused', { offset: 4, outcome: 'refused' }),
      entry('scan_undone', { offset: 5 }),
    ];
    expect(lastScan(entries)?.offset).toBe(2);
    expect(lastScan([])).toBe(null);
  });
});
