// The arrivals of a whole gathering by gate, read again as they change: what the chart draws.

import { api, type Arrivals } from '../api/client';
import { ask, type Problem } from '../api/problem';
import { atMostEvery } from './frames';

const REFRESH_MS = 2000;
/** Of the past nothing is read again, so what is wanted there is another moment, and wanted soon. */
const MOMENT_MS = 500;

export class Evening {
  #id: string;
  #arrivals = $state.raw<Arrivals | null>(null);
  #problem = $state.raw<Problem | null>(null);
  #asOf: number | null = null;
  #isClosed = false;
  #read = atMostEvery(REFRESH_MS, () => this.#load());
  #readMoment = atMostEvery(MOMENT_MS, () => this.#load());

  constructor(id: string) {
    this.#id = id;
  }

  /** Reactive; null before the first answer. */
  get arrivals(): Arrivals | null {
    return this.#arrivals;
  }

  /** Reactive: why the last reading failed. What was read before stays. */
  get problem(): Problem | null {
    return this.#problem;
  }

  /** Reads at once, or when its turn comes. `asOf`: as the log was at that offset; null: the present. */
  refresh(asOf: number | null): void {
    this.#asOf = asOf;
    if (asOf === null) this.#read();
    else this.#readMoment();
  }

  close(): void {
    this.#isClosed = true;
  }

  async #load(): Promise<void> {
    if (this.#isClosed) return;
    const asOf = this.#asOf;
    const query = asOf === null ? {} : { as_of: String(asOf) };
    const { data, problem } = await ask(
      api.GET('/api/events/{event_id}/arrivals', {
        params: { path: { event_id: this.#id }, query },
      }),
    );
    if (this.#isClosed) return;
    this.#problem = problem ?? null;
    if (data && typeof data === 'object' && 'buckets' in data) this.#arrivals = data as Arrivals;
  }
}
