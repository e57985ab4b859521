// Who is inside, in the form in which a tab keeps it for the time without a server: as little of each person as
// the list shows. Pure.

import type { Participant } from '../../api/client';

/** The name under which a gathering's list is kept. */
export const rosterName = (gathering: string) => `evacuation.${gathering}`;
/** The name under which the ticks are kept. */
export const ticksName = (gathering: string) => `safe.${gathering}`;

/** Id, first name, last name, last gate, came in at. */
type KeptPerson = [string, string, string, string | null, string | null];

export interface Roster {
  name: string;
  zone: string;
  /** Everything in the log up to here is in it. */
  offset: number;
  /** When it was known to be right, ms since 1970. */
  at: number;
  people: KeptPerson[];
}

export function rosterOf(
  gathering: { name: string; time_zone: string },
  offset: number,
  at: number,
  inside: readonly Participant[],
): Roster {
  const people = inside.map((row): KeptPerson => {
    const { first_name, last_name } = row.user;
    const { last_gate = null, check_in_time = null } = row;
    return [row.id, first_name ?? '', last_name ?? '', last_gate, check_in_time];
  });
  return { name: gathering.name, zone: gathering.time_zone, offset, at, people };
}

/** What was kept, if it is a roster; null for anything else. */
export function readRoster(value: unknown): Roster | null {
  if (typeof value !== 'object' || value === null) return null;
  const { name, zone, offset, at, people } = value as Partial<Record<keyof Roster, unknown>>;
  const isWhole =
    typeof name === 'string' &&
    typeof zone === 'string' &&
    typeof offset === 'number' &&
    typeof at === 'number' &&
    Array.isArray(people) &&
    people.every(isPerson);
  return isWhole ? { name, zone, offset, at, people } : null;
}

/** The kept people as rows, with nothing in them that was not kept. */
export function rowsOf({ people }: Roster, gathering: string): Participant[] {
  return people.map(([id, first_name, last_name, last_gate, check_in_time]) => ({
    id,
    event_id: gathering,
    event_pax_id: '',
    user: { first_name, last_name, email: '' },
    status: 'registered',
    checked_in: true,
    entries: 1,
    offset: 0,
    last_gate,
    check_in_time,
  }));
}

/** The ids that were kept as safe. */
export function readTicks(value: unknown): Set<string> {
  const ids = Array.isArray(value) ? value : [];
  return new Set(ids.filter((id): id is string => typeof id === 'string'));
}

function isPerson(value: unknown): value is KeptPerson {
  const isTextOrNull = (part: unknown) => part === null || typeof part === 'string';
  return (
    Array.isArray(value) &&
    value.length === 5 &&
    value.slice(0, 3).every((part) => typeof part === 'string') &&
    value.slice(3).every(isTextOrNull)
  );
}
