// The sign and the word for what an entry tells of. Signs stand beside words, never instead of them.

import type { HistoryEntry } from '../api/client';
import { refusalWord } from '../api/problem';
import { i18n } from '../i18n/index.svelte';

export type Type = keyof typeof i18n.t.audit.types;

interface Look {
  sign: string;
  tag: 'good' | 'bad' | 'warn' | 'past' | '';
}

const LOOKS: Record<Type, Look> = {
  gathering_created: { sign: '✦', tag: '' },
  gathering_changed: { sign: '✎', tag: '' },
  service_team_changed: { sign: '☰', tag: '' },
  participant_registered: { sign: '+', tag: '' },
  participant_checked_in: { sign: '→', tag: 'good' },
  participant_checked_out: { sign: '←', tag: 'past' },
  scan_refused: { sign: '✕', tag: 'bad' },
  scan_undone: { sign: '↺', tag: 'warn' },
  registration_cancelled: { sign: '⊘', tag: 'warn' },
  participant_erased: { sign: '⊗', tag: 'warn' },
  door_token_minted: { sign: '◈', tag: '' },
  door_token_revoked: { sign: '⊘', tag: '' },
  personal_data_accessed: { sign: '◉', tag: '' },
};

export const TYPES = Object.keys(LOOKS) as Type[];

export function look(type: string): Look {
  return isType(type) ? LOOKS[type] : { sign: '•', tag: '' };
}

/** What a newer server tells of that these pages do not know is shown by its own name. */
export function typeWord(type: string): string {
  return isType(type) ? i18n.t.audit.types[type] : type;
}

export function isType(type: string): type is Type {
  return Object.hasOwn(LOOKS, type);
}

/** Why a scan was refused, or what an admitted one broke. */
export function ruleWord(entry: HistoryEntry): string | null {
  if (!entry.code) return null;
  const rule = refusalWord(entry.code);
  return entry.outcome === 'refused' ? rule : i18n.t.audit.history.broken(rule);
}

/** Who did it: the name they had, else their id. */
export function actorWord(entry: HistoryEntry): string {
  return entry.actor.name ?? entry.actor.id;
}
