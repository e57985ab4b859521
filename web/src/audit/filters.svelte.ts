// What the history is filtered by. What names nobody stands in the page's address, so that it can be kept and
// handed on: a participant's id, the gate, the type, the times. A ticket's code that nobody holds and an
// actor's id stay in memory: they may name a person.

import { router } from '../router.svelte';

export interface Filters {
  /** An id, or a code that no participant has. */
  participant: string | null;
  actor: string | null;
  gate: string | null;
  type: string | null;
  since: string | null;
  until: string | null;
}

export type FilterName = keyof Filters;

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const IN_ADDRESS = ['gate', 'type', 'since', 'until'] as const;

export function isUuid(text: string): boolean {
  return UUID.test(text);
}

export class FilterState {
  #code = $state<string | null>(null);
  #actor = $state<string | null>(null);

  get values(): Filters {
    const { query } = router;
    const id = query.get('participant');
    return {
      participant: id !== null && isUuid(id) ? id : this.#code,
      actor: this.#actor,
      gate: query.get('gate'),
      type: query.get('type'),
      since: query.get('since'),
      until: query.get('until'),
    };
  }

  get count(): number {
    return Object.values(this.values).filter((value) => value !== null).length;
  }

  /** As the API takes them; what is not set is left out. */
  get query(): Partial<Record<FilterName, string>> {
    return Object.fromEntries(Object.entries(this.values).filter(([, value]) => value !== null));
  }

  /** Sets what is given; the history then begins anew. `query`: what else changes in the address. */
  set(changes: Partial<Filters>, query: Record<string, string | null> = {}): void {
    const address: Record<string, string | null> = { after: null, entry: null, ...query };
    for (const name of IN_ADDRESS) {
      if (changes[name] !== undefined) address[name] = changes[name] || null;
    }
    const { participant } = changes;
    if (participant !== undefined) {
      const isId = participant !== null && isUuid(participant);
      address['participant'] = isId ? participant : null;
      this.#code = isId ? null : participant || null;
    }
    if (changes.actor !== undefined) this.#actor = changes.actor || null;
    router.setQuery(address, 'push');
  }

  clear(): void {
    this.set({ participant: null, actor: null, gate: null, type: null, since: null, until: null });
  }
}
