// What the log says, counted here by the shortest rules that there are, so that a page is not held against the
// view that it was drawn from.

import type { Api } from './api.ts';
import type { Counts } from './handles.ts';

/** Who is inside, who ever came, who is registered: from every event of the gathering, up to an offset. */
export async function countsOfLog(api: Api, gathering: string, upTo = Infinity): Promise<Counts> {
  const entries = (await api.history(gathering)).filter(({ offset }) => offset <= upTo);
  const undone = new Set(entries.flatMap(({ undoes }) => undoes ?? []));
  const registered = new Set<string>();
  const arrivals = new Map<string, number>();
  const inside = new Set<string>();
  for (const { type, event_pax_id: who, offset } of entries) {
    if (who === null) continue;
    if (type === 'participant_registered') registered.add(who);
    if (type === 'registration_cancelled') registered.delete(who);
    if (undone.has(offset)) continue;
    if (type === 'participant_checked_in') {
      inside.add(who);
      arrivals.set(who, (arrivals.get(who) ?? 0) + 1);
    }
    if (type === 'participant_checked_out' || type === 'registration_cancelled') inside.delete(who);
  }
  return { registered: registered.size, checked_in: arrivals.size, inside: inside.size };
}
