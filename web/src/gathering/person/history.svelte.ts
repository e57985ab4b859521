// Everything that the log holds about one person of a gathering, read again when there is more of it.

import { api, type HistoryEntry } from '../../api/client';
import { ask, type Problem } from '../../api/problem';
import { atMostEvery } from '../../feed/frames';

const REFRESH_MS = 1000;
const PAGE_ROWS = 1000;
/** Somebody with more entries than these is shown the first ones, and the auditor's desk. */
const PAGES_MAX = 5;

export class PersonHistory {
  #gathering: string;
  #person: string;
  #entries = $state.raw<HistoryEntry[] | null>(null);
  #problem = $state.raw<Problem | null>(null);
  #from = 0;
  #read = atMostEvery(REFRESH_MS, () => this.#load());

  constructor(gathering: string, person: string) {
    this.#gathering = gathering;
    this.#person = person;
  }

  /** Reactive, in the order of the log; null before the first answer. */
  get entries(): HistoryEntry[] | null {
    return this.#entries;
  }

  /** Reactive. */
  get problem(): Problem | null {
    return this.#problem;
  }

  /** Reads, now or when its turn comes, what holds at least everything up to `offset`. */
  refresh(offset: number): void {
    this.#from = Math.max(this.#from, offset);
    this.#read();
  }

  async #load(): Promise<void> {
    const entries: HistoryEntry[] = [];
    let after = 0;
    for (let page = 0; page < PAGES_MAX; page += 1) {
      const { data, problem } = await this.#page(after);
      if (problem) {
        this.#problem = problem;
        return;
      }
      if (!data || typeof data === 'string' || !('results' in data)) break;
      entries.push(...data.results);
      if (data.next == null) break;
      after = Number(data.next);
    }
    this.#problem = null;
    this.#entries = entries;
  }

  #page(after: number) {
    const header = this.#from > 0 ? { 'X-Min-Offset': this.#from } : {};
    return ask(
      api.GET('/api/events/{event_id}/history', {
        params: {
          path: { event_id: this.#gathering },
          query: { participant: this.#person, after, limit: PAGE_ROWS },
          header,
        },
      }),
    );
  }
}
