// An entry of the history in plain words: what happened, where, by whom, and what is special about it. Pure.

import type { HistoryEntry } from '../../api/client';
import type { Messages } from '../../i18n/index.svelte';
import type { Kind } from '../scans/words';

export interface Told {
  kind: Kind | 'registered' | 'other';
  text: string;
  /** Where, by whom, with what. */
  circumstances: string;
  /** Rules that were broken or overridden, reasons, scans that came late. */
  remarks: string[];
  isTakenBack: boolean;
}

export interface Telling {
  texts: Messages['gathering']['story'];
  refusal: (code: string) => string;
  time: (moment: string) => string;
}

/** A scan that was recorded later than this, ms, says so. */
const LATE_MS = 60_000;

const KINDS: Record<string, Told['kind']> = {
  participant_registered: 'registered',
  participant_checked_in: 'in',
  participant_checked_out: 'out',
  scan_refused: 'refused',
  scan_undone: 'undone',
  registration_cancelled: 'cancelled',
  participant_erased: 'erased',
};

export function told(entry: HistoryEntry, telling: Telling): Told {
  return {
    kind: KINDS[entry.type] ?? 'other',
    text: sentence(entry, telling),
    circumstances: circumstances(entry, telling),
    remarks: remarks(entry, telling),
    isTakenBack: entry.undone_by != null,
  };
}

/** The story as it was told at an offset: nothing later, and nothing undone that was undone later. */
export function storyUntil(entries: readonly HistoryEntry[], until: number): HistoryEntry[] {
  return entries
    .filter((entry) => entry.offset <= until)
    .map((entry) => ((entry.undone_by ?? 0) > until ? { ...entry, undone_by: null } : entry));
}

/** The last scan that counts: what an undo takes back. */
export function lastScan(entries: readonly HistoryEntry[]): HistoryEntry | null {
  const counts = (entry: HistoryEntry) =>
    (entry.outcome === 'admitted' || entry.outcome === 'exited') && entry.undone_by == null;
  return entries.findLast(counts) ?? null;
}

function sentence(entry: HistoryEntry, { texts, refusal }: Telling): string {
  switch (entry.type) {
    case 'participant_registered':
    case 'participant_checked_in':
    case 'participant_checked_out':
    case 'registration_cancelled':
    case 'participant_erased':
    case 'device_gap_found':
    case 'personal_data_accessed':
      return texts[entry.type];
    case 'scan_refused': {
      const wish = entry.code === 'not_checked_in' ? texts.scan_refused_out : texts.scan_refused_in;
      return entry.code ? `${wish}: ${refusal(entry.code)}` : wish;
    }
    case 'scan_undone':
      return texts.scan_undone(String(entry.undoes ?? '?'));
    default:
      return texts.other(entry.type.replaceAll('_', ' '));
  }
}

function circumstances(entry: HistoryEntry, { texts }: Telling): string {
  const { gate, device, actor } = entry;
  const who = `${actor.name || actor.id} (${texts.roles[actor.role]})`;
  return [gate && texts.atGate(gate), device && texts.onDevice(device), texts.byWhom(who)]
    .filter(Boolean)
    .join(' ');
}

function remarks(entry: HistoryEntry, { texts, refusal, time }: Telling): string[] {
  const isOffline = entry.mode === 'offline_fact';
  const isAgainstRule = entry.code && entry.type !== 'scan_refused';
  const isLate = Date.parse(entry.recorded_at) - Date.parse(entry.occurred_at) > LATE_MS;
  const all = [
    isOffline && texts.offline,
    entry.code &&
      isAgainstRule &&
      (isOffline ? texts.brokeRule(refusal(entry.code)) : texts.overridden(refusal(entry.code))),
    entry.reason && texts.reason(entry.reason),
    isLate && texts.recordedLater(time(entry.recorded_at)),
  ];
  return all.filter((remark): remark is string => Boolean(remark));
}
