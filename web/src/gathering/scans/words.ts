// What a line of the last scans says: its sign, its word, its tone.

import type { ScanLine } from '../../feed/picture';
import { i18n } from '../../i18n/index.svelte';

export type Kind = 'in' | 'out' | 'refused' | 'undone' | 'cancelled' | 'erased' | 'updated';

export const SIGNS: Record<Kind, string> = {
  in: '✓',
  out: '↗',
  refused: '✕',
  undone: '↺',
  cancelled: '⊘',
  erased: '∅',
  updated: '✎',
};

export const TONES: Record<Kind, '' | 'good' | 'bad' | 'warn'> = {
  in: 'good',
  out: '',
  refused: 'bad',
  undone: 'warn',
  cancelled: 'warn',
  erased: 'warn',
  updated: '',
};

export function kindOf(line: Pick<ScanLine, 'kind' | 'code'>): Kind {
  if (line.kind !== 'updated') return line.kind;
  const { code } = line;
  return code === 'undone' || code === 'cancelled' || code === 'erased' ? code : 'updated';
}

/** A warning's sentence; its code where it is not known. */
export function warningWord(code: string): string {
  const { warnings } = i18n.t.gathering;
  return Object.hasOwn(warnings, code) ? warnings[code as keyof typeof warnings] : code;
}

/** A conflict is two facts that cannot both be right; other warnings are only to be looked at. */
export function isConflict(code: string): boolean {
  return !['over_capacity', 'overridden', 'device_gap', 'clock_ahead'].includes(code);
}
