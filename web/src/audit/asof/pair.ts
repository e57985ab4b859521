// What was then beside what is now, from the two answers to the same question. Only “not found” says that
// something was not there; a request that failed in another way says nothing. Pure.

import type { Problem } from '../../api/problem';

export interface Pair<T> {
  /** Null: not yet there then. */
  then: T | null;
  now: T | null;
}

type Answer<T> = { data: T; problem?: never } | { data?: never; problem: Problem };

export function pairOf<T>(then: Answer<T>, now: Answer<T>): Answer<Pair<T>> {
  const problem = [then.problem, now.problem].find((one) => one && one.status !== 404);
  if (problem) return { problem };
  return { data: { then: then.data ?? null, now: now.data ?? null } };
}
