// Where somebody is, as one word, with its sign; and what they are called.

import type { Participant } from '../../api/client';

export type Standing = 'inside' | 'not_yet' | 'left' | 'cancelled' | 'erased';

export const SIGNS: Record<Standing, string> = {
  inside: '●',
  not_yet: '○',
  left: '↗',
  cancelled: '⊘',
  erased: '∅',
};

export const TONES: Record<Standing, '' | 'good' | 'bad' | 'warn'> = {
  inside: 'good',
  not_yet: '',
  left: '',
  cancelled: 'bad',
  erased: 'bad',
};

export function standingOf(row: Participant): Standing {
  // Who is inside is inside, whatever became of the registration: an evacuation asks for nothing else.
  if (row.checked_in) return 'inside';
  if (row.status !== 'registered') return row.status;
  return row.entries > 0 ? 'left' : 'not_yet';
}

/** When they came or went, whichever was last; null: never. */
export function movedAt(row: Participant): string | null {
  return row.checked_in
    ? (row.check_in_time ?? null)
    : (row.check_out_time ?? row.check_in_time ?? null);
}

/** First and last name; `nameless` where there is none, as after an erasure. */
export function nameOf(row: Pick<Participant, 'user'>, nameless: string): string {
  return [row.user.first_name, row.user.last_name].filter(Boolean).join(' ') || nameless;
}

/** Last name first, as the list is sorted. */
export function sortedNameOf(row: Pick<Participant, 'user'>, nameless: string): string {
  return [row.user.last_name, row.user.first_name].filter(Boolean).join(', ') || nameless;
}
