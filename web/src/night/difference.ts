// What was different from now: who is inside now and was not then, and the other way round. From two sets of
// people that are both whole; whether they are is the caller's to know.

import type { Occupancy, Participant } from '../api/client';
import type { People } from '../feed/people';

export interface Difference {
  /** Inside now, and not then. By name, as they are now. */
  came: Participant[];
  /** Inside then, and not now. By name, as they were then. */
  gone: Participant[];
}

/** `search`: only those who fit. */
export function differenceOf(then: People, now: People, search: string): Difference {
  const isIn = (people: People, { id }: Participant) => people.get(id)?.checked_in === true;
  return {
    came: now.find(search, (person) => person.checked_in && !isIn(then, person)),
    gone: then.find(search, (person) => person.checked_in && !isIn(now, person)),
  };
}

export interface Compared {
  name: 'inside' | 'checked_in' | 'registered';
  then: number;
  now: number;
  /** Now less then. */
  change: number;
}

export function comparedCounts(then: Occupancy, now: Occupancy): Compared[] {
  return (['inside', 'checked_in', 'registered'] as const).map((name) => ({
    name,
    then: then[name],
    now: now[name],
    change: now[name] - then[name],
  }));
}
