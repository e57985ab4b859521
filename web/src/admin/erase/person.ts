// One person in words, and the proof that their data is gone.

import { api, type Participant } from '../../api/client';
import { ask } from '../../api/problem';

/** Empty when there is none, as of somebody erased. */
export function nameOf(person: Participant): string {
  return [person.user.first_name, person.user.last_name].filter((part) => part !== '').join(' ');
}

/** What a reader finds after the erasure. `isFound`: by the former name. */
export interface Proof {
  person: Participant;
  isFound: boolean;
}

/** Reads the person again, and looks for the former name in the gathering; null when neither can be had. */
export async function readAgain(before: Participant, offset: number | null): Promise<Proof | null> {
  const header = offset === null ? {} : { 'X-Min-Offset': offset };
  const [row, search] = await Promise.all([
    ask(
      api.GET('/api/events/participants/{event_pax_id}', {
        params: { path: { event_pax_id: before.event_pax_id }, header },
      }),
    ),
    ask(
      api.GET('/api/events/{event_id}/participants', {
        params: {
          path: { event_id: before.event_id },
          query: { q: `${nameOf(before)} ${before.user.email}`.trim().slice(0, 200), limit: 1_000 },
          header,
        },
      }),
    ),
  ]);
  if (!row.data || !search.data) return null;
  return {
    person: row.data,
    isFound: nameOf(before) !== '' && search.data.results.some(({ id }) => id === before.id),
  };
}
