// Which page of the history is shown, and reading it. Only one page is ever held, so a history of any length
// stays as quick as a short one.

import type { HistoryEntry } from '../../api/client';
import type { Problem } from '../../api/problem';
import { readPage, type Query } from './read';

type State = 'reading' | 'ready' | 'failed';

export class Pager {
  #state = $state<State>('reading');
  #entries = $state.raw<HistoryEntry[]>([]);
  #next = $state<number | null>(null);
  #problem = $state.raw<Problem | null>(null);
  #reading = 0;

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

  /** A page that was asked for later takes the place of one that has not come yet. */
  async read(id: string | null, filters: Query, after: number): Promise<void> {
    const reading = ++this.#reading;
    this.#state = 'reading';
    const { data, problem } = await readPage(id, filters, after);
    if (reading !== this.#reading) return;
    this.#problem = problem ?? null;
    if (data) {
      this.#entries = data.results;
      this.#next = data.next === null ? null : Number(data.next);
    }
    this.#state = problem ? 'failed' : 'ready';
  }
}
