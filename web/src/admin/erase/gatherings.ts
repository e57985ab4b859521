// Every gathering, to choose one of. Read once for the page.

import { api, type Gathering } from '../../api/client';
import { ask, type Problem } from '../../api/problem';

const PAGE = 1_000;
/** More than these are not for a list to choose from; the ticket code still finds everybody. */
const PAGES_MAX = 10;

export type Gatherings = Promise<{ gatherings: Gathering[]; problem: Problem | null }>;

export async function loadGatherings(): Gatherings {
  const gatherings: Gathering[] = [];
  let after: string | undefined;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const query = after === undefined ? { limit: PAGE } : { limit: PAGE, after };
    const { data, problem } = await ask(api.GET('/api/events', { params: { query } }));
    if (problem) return { gatherings, problem };
    gatherings.push(...data.results);
    if (!data.next) break;
    after = data.next;
  }
  gatherings.sort((one, other) => one.name.localeCompare(other.name));
  return { gatherings, problem: null };
}
