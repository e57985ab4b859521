// Which page of the history is shown, and reading it. Only one page is ever held, so a history of any length
// stays as quick as a short one.

import type { HistoryEntry } from '../../api/client';
import type { Problem } from '../../api/problem';
import { readPage, type Place, type Query } from './read';

type State = 'reading' | 'ready' | 'failed';

export class Pager {
  #state = $state<State>('reading');
  #entries = $state.raw<HistoryEntry[]>([]);
  #next = $state<number | null>(null);
  #problem = $state.raw<Problem | null>(null);
  #reading = 0;
  /** What the entries are a page of. */
  #of = $state('');

  get state(): State {
    return this.#state;
  }

  get entries(): HistoryEntry[] {
    return this.#entries;
  }

  /** Where the page after this one begins; null when this is the last. */
  get next(): number | null {
    return this.#next;
  }

  get problem(): Problem | null {
    return this.#problem;
  }

  /** How many entries match, when the page shows all of them. */
  countOf(filters: Query): number | null {
    const isAll = this.#of === keyOf(filters, null) && this.#state === 'ready';
    return isAll && this.#next === null ? this.#entries.length : null;
  }

  /** A page that was asked for later takes the place of one that has not come yet. */
  async read(id: string | null, filters: Query, place: Place): Promise<void> {
    const reading = ++this.#reading;
    this.#state = 'reading';
    const { data, problem } = await readPage(id, filters, place);
    if (reading !== this.#reading) return;
    this.#problem = problem ?? null;
    if (data) {
      this.#entries = data.results;
      this.#of = keyOf(filters, place.after);
      this.#next = data.next === null ? null : Number(data.next);
    }
    this.#state = problem ? 'failed' : 'ready';
  }
}

function keyOf(filters: Query, after: number | null): string {
  return JSON.stringify([filters, after]);
}
