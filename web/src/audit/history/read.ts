// Reads the history by the API: a page, the page before it, one entry. Over one gathering or over all.

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

/** Of a page: the entries behind `after`, in the page's order; from its beginning where that is null. */
export interface Place {
  order: Order;
  after: number | null;
}

export type Order = 'newest' | 'oldest';

/** `id`: of a gathering; null for all. */
export async function readPage(
  id: string | null,
  filters: Query,
  { order, after }: Place,
  limit = PAGE_ENTRIES,
): Promise<Read<Page>> {
  const query = { ...filters, order, limit, ...(after === null ? {} : { after }) };
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
  const page = await readPage(id, {}, { order: 'oldest', after: offset - 1 }, 1);
  if (page.problem) return page;
  const [entry] = page.data.results;
  return { data: entry?.offset === offset ? entry : null };
}

/** Behind which offset the page begins that ends before `first`; null: at the beginning. */
export async function startOfPageBefore(
  id: string | null,
  filters: Query,
  order: Order,
  first: number,
): Promise<Read<number | null>> {
  const back: Order = order === 'newest' ? 'oldest' : 'newest';
  const page = await readPage(id, filters, { order: back, after: first }, PAGE_ENTRIES + 1);
  if (page.problem) return page;
  return { data: page.data.results[PAGE_ENTRIES]?.offset ?? null };
}

function pageIn(data: unknown): Page {
  const { results = [], next = null } = data as Partial<Page>;
  return { results, next };
}
