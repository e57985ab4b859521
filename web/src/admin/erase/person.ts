// One person in words, and the proof that their data is gone.

import { api, type Participant } from '../../api/client';
import { ask } from '../../api/problem';

/** Empty when there is none, as of somebody erased. */
export function nameOf(person: Participant): string {
  return [person.user.first_name, person.user.last_name].filter((part) => part !== '').join(' ');
}

/** Nothing that says who it was is left of somebody erased. */
export function isGone({ status, user, note }: Participant): boolean {
  const left = [user.first_name, user.last_name, user.email, note];
  return status === 'erased' && left.every((part) => !part);
}

/** Reads the person again, by the ticket's code: the former name must get into no address, which servers and
 *  proxies between log. Null when it cannot be had. */
export async function readAgain(code: string, offset: number | null): Promise<Participant | null> {
  const header = offset === null ? {} : { 'X-Min-Offset': offset };
  const { data } = await ask(
    api.GET('/api/events/participants/{event_pax_id}', {
      params: { path: { event_pax_id: code }, header },
    }),
  );
  return data ?? null;
}
