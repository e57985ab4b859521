// Entries of the history as the lines that a stream would have brought. An entry says what was decided; what
// was used before is found in the entries before it.

import type { HistoryEntry, Participant, Previous } from '../api/client';
import type { People } from './people';
import type { ScanLine } from './picture';

const KINDS: Record<string, ScanLine['kind']> = {
  participant_checked_in: 'in',
  participant_checked_out: 'out',
  scan_refused: 'refused',
  scan_undone: 'updated',
  registration_cancelled: 'updated',
  participant_erased: 'updated',
};

const REASONS: Record<string, string> = {
  scan_undone: 'undone',
  registration_cancelled: 'cancelled',
  participant_erased: 'erased',
};

/** Newest first. `entries` in the order of the log; an entry that is about no scan has no line. */
export function linesOf(entries: readonly HistoryEntry[], people: People): ScanLine[] {
  const last = new Map<string, HistoryEntry>();
  const lines: ScanLine[] = [];
  for (const entry of entries) {
    const kind = KINDS[entry.type];
    const id = entry.participant_id ?? '';
    if (kind) {
      const participant = people.get(id) ?? null;
      lines.push(lineOf(entry, kind, participant, last.get(id)));
    }
    if (entry.outcome === 'admitted' || entry.outcome === 'exited') last.set(id, entry);
  }
  return lines.reverse();
}

function lineOf(
  entry: HistoryEntry,
  kind: ScanLine['kind'],
  participant: Participant | null,
  before: HistoryEntry | undefined,
): ScanLine {
  const isRefused = kind === 'refused';
  return {
    offset: entry.offset,
    kind,
    at: entry.occurred_at,
    gate: entry.gate ?? null,
    participant,
    code: isRefused ? (entry.code ?? null) : (REASONS[entry.type] ?? null),
    warnings: isRefused ? [] : warningsOf(entry),
    previous: isRefused ? previousOf(entry, participant, before) : null,
  };
}

/** What was admitted against a rule: by somebody who may, or since it had already happened. */
function warningsOf({ code, mode }: HistoryEntry): string[] {
  if (!code) return [];
  return [mode === 'offline_fact' ? code : 'overridden'];
}

function previousOf(
  entry: HistoryEntry,
  participant: Participant | null,
  before: HistoryEntry | undefined,
): ScanLine['previous'] {
  if (before) {
    const { occurred_at: at, gate = null, device = null, actor } = before;
    return { at, gate, device, by: actor.id };
  }
  // It was longer ago than the entries reach. Still inside since before this: that was it.
  const since = participant?.checked_in ? participant.check_in_time : null;
  if (entry.code !== 'already_checked_in' || !since || since > entry.occurred_at) return null;
  return { at: since, gate: participant?.last_gate ?? null, device: null, by: null };
}

/** A use before this one in the shape of the API. */
export function previousUse(previous: Previous | null | undefined): ScanLine['previous'] {
  if (!previous) return null;
  const { at, gate = null, device = null, by } = previous;
  return { at, gate, device, by };
}
