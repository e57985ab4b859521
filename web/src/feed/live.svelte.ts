// A gathering, live: its stream folded into a picture, the people beyond the stream's first page by HTTP,
// the last scans from the history. Which page draws it is not known here.

import { DoorbookStream, type StreamMessage, type StreamStatus } from 'doorbook-stream';
import { api } from '../api/client';
import { ask } from '../api/problem';
import { atMostEvery, oncePerFrame } from './frames';
import type { Feed } from './feed';
import { freshnessOf } from './freshness';
import { linesOf } from './lines';
import { Picture } from './picture';

const PAGE_ROWS = 1000;
const REFRESH_MS = 2000;
/** The last scans are looked for in so many events before the head. */
const LOOK_BACK_EVENTS = 400;

export class LiveFeed implements Feed {
  readonly id: string;
  readonly picture = new Picture();
  readonly asOf = null;
  #version = $state(0);
  #status = $state.raw<StreamStatus>({ state: 'closed', reason: 'not_opened' });
  #loading = $state.raw<{ loaded: number; all: number } | null>(null);
  #isWhole = $state(false);
  #stream: DoorbookStream;
  /** Which loading of pages is under way; a reset begins another one. */
  #load = 0;
  #draw = oncePerFrame(() => {
    this.#version += 1;
  });
  #refreshGathering = atMostEvery(REFRESH_MS, () => this.#readGathering());
  #gatheringRevision = 0;

  constructor(id: string) {
    this.id = id;
    this.#stream = new DoorbookStream({
      eventId: id,
      onMessage: (message) => this.#take(message),
      onStatus: (status) => {
        this.#status = status;
      },
    }).open();
  }

  get version(): number {
    return this.#version;
  }

  get freshness() {
    return freshnessOf(this.#status, this.#isWhole);
  }

  get loading() {
    return this.#loading;
  }

  /** When what is shown was last known to be all there is, ms since 1970; null: never. */
  get knownAt(): number | null {
    return this.#stream.status.asOf ?? null;
  }

  close(): void {
    this.#load += 1;
    this.#stream.close();
  }

  #take(message: StreamMessage): void {
    this.picture.apply(message);
    if (message.type === 'reset') {
      this.#load += 1;
      this.#isWhole = false;
    }
    if (message.type === 'initial_data' && 'event' in message) {
      this.#refreshGathering();
      void this.#loadRest(message.participants_truncated === true);
    }
    if (this.picture.gatheringRevision !== this.#gatheringRevision) {
      this.#gatheringRevision = this.picture.gatheringRevision;
      this.#refreshGathering();
    }
    this.#draw();
  }

  /** The stream's snapshot lacks what only the API says: the caller's role, the team. */
  async #readGathering(): Promise<void> {
    const { data } = await ask(
      api.GET('/api/events/{event_id}', { params: { path: { event_id: this.id } } }),
    );
    if (!data) return;
    this.picture.describe(data);
    this.#draw();
  }

  async #loadRest(isTruncated: boolean): Promise<void> {
    this.#load += 1;
    const load = this.#load;
    await this.#loadScans();
    if (isTruncated) await this.#loadPeople(load);
    if (load !== this.#load) return;
    this.#loading = null;
    this.#isWhole = true;
    this.#draw();
  }

  async #loadPeople(load: number): Promise<void> {
    const all = this.picture.gathering?.participant_count ?? 0;
    let after: string | undefined;
    let loaded = 0;
    for (;;) {
      const page = await this.#page(after);
      if (load !== this.#load) return;
      if (!page) {
        // Without an answer it is tried again: a list with holes is worse than a late one.
        await new Promise((done) => setTimeout(done, REFRESH_MS));
        if (load !== this.#load) return;
        continue;
      }
      this.picture.people.putAll(page.results);
      loaded += page.results.length;
      this.#loading = { loaded, all: Math.max(all, loaded) };
      this.#draw();
      if (!page.next) return;
      after = page.next;
    }
  }

  async #page(after: string | undefined) {
    const query = { limit: PAGE_ROWS, ...(after === undefined ? {} : { after }) };
    const { data } = await ask(
      api.GET('/api/events/{event_id}/participants', {
        params: { path: { event_id: this.id }, query },
      }),
    );
    return data ?? null;
  }

  /** For who may read the history; the others see scans from now on. */
  async #loadScans(): Promise<void> {
    const after = Math.max(0, this.picture.offset - LOOK_BACK_EVENTS);
    const { data } = await ask(
      api.GET('/api/events/{event_id}/history', {
        params: { path: { event_id: this.id }, query: { after, limit: LOOK_BACK_EVENTS } },
      }),
    );
    if (!data || typeof data === 'string' || !('results' in data)) return;
    for (const { actor } of data.results) {
      if (actor.name) this.picture.actors.set(actor.id, actor.name);
    }
    this.picture.fillScans(linesOf(data.results, this.picture.people));
    this.#draw();
  }
}
