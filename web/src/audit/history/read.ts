// Reads the history by the API: one page, one entry, the last page. Over one gathering or over all.

import { api, type HistoryEntry } from '../../api/client';
import { ask, type Problem } from '../../api/problem';
import type { FilterName } from '../filters.svelte';

export type Query = Partial<Record<FilterName, string>>;

export interface Page {
  results: HistoryEntry[];
  next: string | null;
}

export type Read<T> = { data: T; problem?: never } | { data?: never; problem: Problem };

export const PAGE_ENTRIES = 100;
const PAGE_ENTRIES_MAX = 1000;

/** `id`: of a gathering; null for all. */
export async function readPage(
  id: string | null,
  filters: Query,
  after: number,
  limit = PAGE_ENTRIES,
): Promise<Read<Page>> {
  const query = { ...filters, after, limit };
  const answer = await ask(
    id === null
      ? api.GET('/api/history', { params: { query } })
      : api.GET('/api/events/{event_id}/history', { params: { path: { event_id: id }, query } }),
  );
  return answer.problem ? { problem: answer.problem } : { data: pageIn(answer.data) };
}

/** The entry at an offset; null when there is none that may be seen. */
export async function readEntry(
  id: string | null,
  offset: number,
): Promise<Read<HistoryEntry | null>> {
  const page = await readPage(id, {}, offset - 1, 1);
  if (page.problem) return page;
  const [entry] = page.data.results;
  return { data: entry?.offset === offset ? entry : null };
}

/**
 * Where the last page begins. The history is read forwards, so ever longer ends of the log are looked at until
 * one holds a page of what matches.
 */
export async function startOfLastPage(
  id: string | null,
  filters: Query,
  head: number,
): Promise<Read<number>> {
  for (let span = PAGE_ENTRIES; ; span *= 8) {
    const start = Math.max(0, head - span);
    const read = await readFrom(id, filters, start);
    if (read.problem) return read;
    const offsets = read.data;
    if (offsets.length > PAGE_ENTRIES) return { data: offsets.at(-PAGE_ENTRIES - 1) ?? start };
    if (offsets.length === PAGE_ENTRIES || start === 0) return { data: start };
  }
}

/** The offsets of the last entries after one. */
async function readFrom(id: string | null, filters: Query, start: number): Promise<Read<number[]>> {
  let offsets: number[] = [];
  let after: number | null = start;
  while (after !== null) {
    const page: Read<Page> = await readPage(id, filters, after, PAGE_ENTRIES_MAX);
    if (page.problem) return page;
    const found = page.data.results.map((entry) => entry.offset);
    offsets = [...offsets, ...found].slice(-PAGE_ENTRIES - 1);
    after = page.data.next === null ? null : Number(page.data.next);
  }
  return { data: offsets };
}

function pageIn(data: unknown): Page {
  const { results = [], next = null } = data as Partial<Page>;
  return { results, next };
}
