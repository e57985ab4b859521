// What is read of the past: a gathering and its people as of an offset, and pieces of its history. Typed
// requests and nothing else; what they are for is `moment`'s and `chronicle`'s.

import {
  api,
  type Arrivals,
  type Gathering,
  type HistoryEntry,
  type Participant,
} from '../api/client';
import { ask, unreachable, type Problem } from '../api/problem';

/** Rows of a page, people and history alike. */
export const PAGE_ROWS = 1000;
/** The last scans before a moment are looked for in so many offsets; where others fill the log, in more. */
const LOOK_BACK_OFFSETS = 400;
const LOOK_BACK_TIMES = 8;
const LOOK_BACK_TURNS = 4;
/** So many entries are enough to look back on. */
const LOOKED_BACK_MIN = 60;

export type Answer<T> = { data: T; problem?: never } | { data?: never; problem: Problem };

export interface PeoplePage {
  rows: Participant[];
  next: string | null;
}

export interface Past {
  gathering: Gathering;
  /** The first page of them. */
  people: PeoplePage;
  /** Some of the history up to the moment, its end included. */
  entries: HistoryEntry[];
  /** The entries are all there are after this offset. */
  entriesAfter: number;
}

/** Everything that a page needs at first, at one offset: the three answers are of the same moment. */
export async function readPast(id: string, offset: number): Promise<Answer<Past>> {
  const [gathering, people, looked] = await Promise.all([
    readGathering(id, offset),
    readPeople(id, offset, null),
    lookBack(id, offset),
  ]);
  if (gathering.problem) return gathering;
  if (people.problem) return people;
  if (looked.problem) return looked;
  return { data: { gathering: gathering.data, people: people.data, ...looked.data } };
}

/** `asOf` null: as it is now. */
export async function readGathering(
  id: string,
  asOf: number | null,
  signal?: AbortSignal,
): Promise<Answer<Gathering>> {
  return ask(
    api.GET('/api/events/{event_id}', {
      params: { path: { event_id: id }, query: asOf === null ? {} : { as_of: String(asOf) } },
      ...(signal ? { signal } : {}),
    }),
  );
}

export async function readPeople(
  id: string,
  asOf: number,
  after: string | null,
  signal?: AbortSignal,
): Promise<Answer<PeoplePage>> {
  const query = {
    as_of: String(asOf),
    limit: PAGE_ROWS,
    ...(after === null ? {} : { after }),
  };
  const { data, problem } = await ask(
    api.GET('/api/events/{event_id}/participants', {
      params: { path: { event_id: id }, query },
      ...(signal ? { signal } : {}),
    }),
  );
  return problem ? { problem } : { data: { rows: data.results, next: data.next ?? null } };
}

/** Entries after an offset, in the log's order, at most `limit`; `type`: only of that. */
export async function readHistory(
  id: string,
  after: number,
  limit: number,
  type?: string,
): Promise<Answer<HistoryEntry[]>> {
  const query = { after, limit, ...(type === undefined ? {} : { type }) };
  const { data, problem } = await ask(
    api.GET('/api/events/{event_id}/history', {
      params: { path: { event_id: id }, query },
    }),
  );
  if (problem) return { problem };
  if (!data || typeof data === 'string' || !('results' in data)) return { problem: unreachable() };
  return { data: data.results };
}

export async function readArrivals(
  id: string,
  bucketSeconds: number | null,
): Promise<Arrivals | null> {
  const query = bucketSeconds === null ? {} : { bucket: bucketSeconds };
  const { data } = await ask(
    api.GET('/api/events/{event_id}/arrivals', { params: { path: { event_id: id }, query } }),
  );
  return data && typeof data === 'object' && 'buckets' in data ? (data as Arrivals) : null;
}

async function lookBack(
  id: string,
  offset: number,
): Promise<Answer<Pick<Past, 'entries' | 'entriesAfter'>>> {
  let found: Pick<Past, 'entries' | 'entriesAfter'> = { entries: [], entriesAfter: offset };
  let width = LOOK_BACK_OFFSETS;
  for (let turn = 0; turn < LOOK_BACK_TURNS; turn += 1) {
    const entriesAfter = Math.max(0, offset - width);
    const limit = Math.min(width, PAGE_ROWS);
    const { data, problem } = await readHistory(id, entriesAfter, limit);
    if (problem) return { problem };
    const reachesOffset = data.length < limit || (data.at(-1)?.offset ?? 0) >= offset;
    if (!reachesOffset) break;
    found = { entries: data.filter((entry) => entry.offset <= offset), entriesAfter };
    if (found.entries.length >= LOOKED_BACK_MIN || entriesAfter === 0) break;
    width *= LOOK_BACK_TIMES;
  }
  return { data: found };
}
