// A gathering, live: its stream folded into a picture, the people beyond the stream's first page by HTTP,
// the last scans from the history. Which page draws it is not known here.

import { DoorbookStream, type StreamMessage, type StreamStatus } from 'doorbook-stream';
import { api, type HistoryEntry } from '../api/client';
import { ask } from '../api/problem';
import { atMostEvery, oncePerFrame } from './frames';
import type { Feed } from './feed';
import { freshnessOf } from './freshness';
import { linesOf } from './lines';
import { Picture } from './picture';
import { keepPulse } from './pulse';

const PAGE_ROWS = 1000;
const REFRESH_MS = 2000;
/** The last scans are looked for in so many events before the head: further back where other gatherings fill the log. */
const LOOK_BACK_EVENTS = [400, 4_000, 40_000, 400_000];
/** Lines that are enough to begin with. */
const ENOUGH_LINES = 40;
const LOOK_BACK_PAGES_MAX = 4;

export class LiveFeed implements Feed {
  readonly id: string;
  readonly picture = new Picture();
  readonly asOf = null;
  #version = $state(0);
  #status = $state.raw<StreamStatus>({ state: 'closed', reason: 'not_opened' });
  #loading = $state.raw<{ loaded: number; all: number } | null>(null);
  #isLoaded = $state(false);
  #isWhole = $state(false);
  #stream: DoorbookStream;
  /** Which loading of pages is under way; a reset begins another one. */
  #load = 0;
  #draw = oncePerFrame(() => {
    this.#version += 1;
  });
  #refreshGathering = atMostEvery(REFRESH_MS, () => this.#readGathering());
  #gatheringRevision = 0;
  #endPulse: () => void;

  constructor(id: string) {
    this.id = id;
    this.#stream = new DoorbookStream({
      eventId: id,
      onMessage: (message) => this.#take(message),
      onStatus: (status) => {
        this.#status = status;
        this.#settle();
      },
    }).open();
    this.#endPulse = keepPulse(this.#stream);
  }

  get version(): number {
    return this.#version;
  }

  get freshness() {
    return freshnessOf(this.#status, this.#isLoaded);
  }

  /** Reactive; everybody is in the picture, and it has been live since: false from a reset until then. */
  get isWhole(): boolean {
    return this.#isWhole;
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
    this.#endPulse();
    this.#stream.close();
  }

  #take(message: StreamMessage): void {
    this.picture.apply(message);
    if (message.type === 'reset') {
      this.#load += 1;
      this.#loading = null;
      this.#isLoaded = false;
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

  #settle(): void {
    if (this.#isLoaded && this.#status.state === 'live') this.#isWhole = true;
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
    if (isTruncated) await this.#loadPeople(load);
    if (load !== this.#load) return;
    this.#loading = null;
    this.#isLoaded = true;
    this.#settle();
    this.#draw();
    // The people first: an entry of the history names nobody.
    await this.#loadScans(load);
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
  async #loadScans(load: number): Promise<void> {
    if (!this.picture.gathering?.your_role) await this.#readGathering();
    if (this.picture.gathering?.your_role === 'steward') return;
    const head = this.picture.offset;
    for (const width of LOOK_BACK_EVENTS) {
      const entries = await this.#entriesAfter(Math.max(0, head - width));
      if (!entries || load !== this.#load) return;
      for (const { actor } of entries) {
        if (actor.name) this.picture.actors.set(actor.id, actor.name);
      }
      const lines = linesOf(entries, this.picture.people);
      this.picture.fillScans(lines);
      this.#draw();
      if (lines.length >= ENOUGH_LINES || width >= head) return;
    }
  }

  /** Null: too many, or not for this caller. */
  async #entriesAfter(offset: number): Promise<HistoryEntry[] | null> {
    const entries: HistoryEntry[] = [];
    let after = offset;
    for (let page = 0; page < LOOK_BACK_PAGES_MAX; page += 1) {
      const { data } = await ask(
        api.GET('/api/events/{event_id}/history', {
          params: { path: { event_id: this.id }, query: { after, limit: PAGE_ROWS } },
        }),
      );
      if (!data || typeof data === 'string' || !('results' in data)) return null;
      entries.push(...data.results);
      if (data.next == null) return entries;
      after = Number(data.next);
    }
    return null;
  }
}
