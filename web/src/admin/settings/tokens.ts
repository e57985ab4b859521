// The door tokens of a gathering, all of them.

import { api } from '../../api/client';
import type { components } from '../../api/schema';
import { ask, type Problem } from '../../api/problem';

export type DoorToken = components['schemas']['DoorToken'];
export type Tokens = { tokens: DoorToken[]; problem: Problem | null };

const PAGE = 1_000;
/** A gathering has at most 1,000 that have not expired; the others make room. */
const PAGES_MAX = 3;

/** As they are once the view has this offset. */
export async function loadTokens(gathering: string, offset: number | null): Promise<Tokens> {
  const header = offset === null ? {} : { 'X-Min-Offset': offset };
  const tokens: DoorToken[] = [];
  let after: string | undefined;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const query = after === undefined ? { limit: PAGE } : { limit: PAGE, after };
    const params = { path: { event_id: gathering }, query, header };
    const answer = await ask(api.GET('/api/events/{event_id}/door-tokens', { params }));
    if (answer.problem) return { tokens, problem: answer.problem };
    tokens.push(...answer.data.results);
    if (!answer.data.next) break;
    after = answer.data.next;
  }
  return { tokens, problem: null };
}
