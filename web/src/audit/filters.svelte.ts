// What the history is filtered by. What names nobody stands in the page's address, so that it can be kept and
// handed on: a participant's id, the gate, the type, the times. A ticket's code that nobody holds and an
// actor's id stay in memory: they may name a person.

import type { Order, Place } from './history/read';
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

const NONE: Filters = {
  participant: null,
  actor: null,
  gate: null,
  type: null,
  since: null,
  until: null,
};

export function isUuid(text: string): boolean {
  return UUID.test(text);
}

export class FilterState {
  #code = $state<string | null>(null);
  #actor = $state<string | null>(null);
  #codes = $state.raw<ReadonlyMap<string, string>>(new Map());

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

  /** One ticket's story is told from its beginning; a history is read from the present back. */
  get order(): Order {
    const said = router.query.get('order');
    if (said === 'newest' || said === 'oldest') return said;
    return this.values.participant === null ? 'newest' : 'oldest';
  }

  get place(): Place {
    const after = router.query.get('after');
    return {
      order: this.order,
      after: after !== null && /^\d{1,15}$/.test(after) ? Number(after) : null,
    };
  }

  get count(): number {
    return Object.values(this.values).filter((value) => value !== null).length;
  }

  /** Which code the ticket of a participant has, so that people need not read ids. */
  know(id: string, code: string | null): void {
    if (code !== null && this.#codes.get(id) !== code) {
      this.#codes = new Map([...this.#codes, [id, code]]);
    }
  }

  /** The code of the participant that is filtered by, where it is known; else what is filtered by. */
  get ticket(): string | null {
    const { participant } = this.values;
    return participant === null ? null : (this.#codes.get(participant) ?? participant);
  }

  /** As the API takes them; what is not set is left out. */
  get query(): Partial<Record<FilterName, string>> {
    return Object.fromEntries(Object.entries(this.values).filter(([, value]) => value !== null));
  }

  /** Sets what is given; the history then begins anew. */
  set(changes: Partial<Filters>): void {
    const address: Record<string, string | null> = { after: null, entry: null };
    for (const name of IN_ADDRESS) {
      if (changes[name] !== undefined) address[name] = changes[name] || null;
    }
    const { participant } = changes;
    if (participant !== undefined) {
      const isId = participant !== null && isUuid(participant);
      address['participant'] = isId ? participant : null;
      this.#code = isId ? null : participant || null;
      // Another story begins in its own order.
      address['order'] = null;
    }
    if (changes.actor !== undefined) this.#actor = changes.actor || null;
    router.setQuery(address, 'push');
  }

  /** Everything about one ticket, and nothing else. */
  tell(participant: string, code: string | null): void {
    this.know(participant, code);
    this.set({ ...NONE, participant });
  }

  clear(): void {
    this.set(NONE);
  }
}
