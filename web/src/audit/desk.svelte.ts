// What the whole desk is about: one gathering, or all of them; their names and zones. The history itself is
// the matter of `history/`.

import { api, type Gathering, type HistoryEntry } from '../api/client';
import { ask, type Problem } from '../api/problem';

const PAGE = 1000;
/** More names than this are not fetched; entries then show the gathering's id. */
const GATHERINGS_MAX = 5000;

export class Desk {
  #gatherings = $state.raw<ReadonlyMap<string, Gathering>>(new Map());
  #problem = $state.raw<Problem | null>(null);
  #isLoaded = $state(false);

  /** `id`: of the gathering; null for all. */
  constructor(readonly id: string | null) {}

  get problem(): Problem | null {
    return this.#problem;
  }

  get isLoaded(): boolean {
    return this.#isLoaded;
  }

  /** The one that the desk is about; null when it is about all. */
  get gathering(): Gathering | null {
    return this.id === null ? null : (this.#gatherings.get(this.id) ?? null);
  }

  get gatherings(): Gathering[] {
    return [...this.#gatherings.values()];
  }

  get zone(): string {
    return this.gathering?.time_zone ?? 'UTC';
  }

  /** The zone of the gathering that an entry belongs to. */
  zoneOf(entry: HistoryEntry): string {
    return (entry.event_id && this.#gatherings.get(entry.event_id)?.time_zone) || this.zone;
  }

  nameOf(id: string): string {
    return this.#gatherings.get(id)?.name ?? id;
  }

  async load(): Promise<void> {
    this.#problem = null;
    this.#problem = await (this.id === null ? this.#loadAll() : this.#loadOne(this.id));
    this.#isLoaded = this.#problem === null;
  }

  async #loadOne(id: string): Promise<Problem | null> {
    const params = { path: { event_id: id } };
    const { data, problem } = await ask(api.GET('/api/events/{event_id}', { params }));
    if (problem) return problem;
    this.#gatherings = new Map([[id, data]]);
    return null;
  }

  async #loadAll(): Promise<Problem | null> {
    const found = new Map<string, Gathering>();
    let after: string | null = null;
    do {
      const query: { limit: number; after?: string } =
        after === null ? { limit: PAGE } : { limit: PAGE, after };
      const { data, problem } = await ask(api.GET('/api/events', { params: { query } }));
      if (problem) return problem;
      for (const gathering of data.results) found.set(gathering.id, gathering);
      after = data.next ?? null;
    } while (after !== null && found.size < GATHERINGS_MAX);
    this.#gatherings = found;
    return null;
  }
}
