// The dashboard, live: every gathering that the caller may see with its counts, and how many arrive a minute.

import { DoorbookStream, type StreamMessage, type StreamStatus } from 'doorbook-stream';
import { api, type Gathering } from '../api/client';
import { ask } from '../api/problem';
import { atMostEvery, oncePerFrame } from './frames';
import { freshnessOf } from './freshness';
import { arrivalsOf, type Pace } from './pace';
import { keepPulse } from './pulse';

const REFRESH_MS = 5000;
/** Gatherings whose arrivals are read without anybody arriving. */
const PACES_MAX = 24;

/** After these the gathering itself is read again; all others bring the counts with them. */
const CHANGES = ['gathering_created', 'gathering_changed', 'service_team_changed'];
/** After these its arrivals may differ. */
const ARRIVALS = ['participant_checked_in', 'scan_undone'];

export interface BoardRow {
  readonly gathering: Gathering;
  readonly pace: Pace | null;
}

export class BoardFeed {
  #rows = new Map<string, BoardRow>();
  #version = $state(0);
  #sorted = $derived.by(() => {
    void this.#version;
    return [...this.#rows.values()].sort(runningFirst);
  });
  #status = $state.raw<StreamStatus>({ state: 'closed', reason: 'not_opened' });
  #hasBegun = $state(false);
  #isTruncated = $state(false);
  /** Gatherings whose arrivals are to be read again. */
  #due = new Set<string>();
  #stream: DoorbookStream;
  #draw = oncePerFrame(() => {
    this.#version += 1;
  });
  #readPaces = atMostEvery(REFRESH_MS, () => this.#paces());
  #timer: ReturnType<typeof setInterval>;
  #endPulse: () => void;

  constructor() {
    this.#stream = new DoorbookStream({
      onMessage: (message) => this.#take(message),
      onStatus: (status) => {
        this.#status = status;
      },
    }).open();
    this.#endPulse = keepPulse(this.#stream);
    // A minute without arrivals is news as well.
    this.#timer = setInterval(() => this.#everybodyIsDue(), 30_000);
  }

  /** Reactive. Running gatherings first, then by start. */
  get rows(): readonly BoardRow[] {
    return this.#sorted;
  }

  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  get isTruncated(): boolean {
    return this.#isTruncated;
  }

  get freshness() {
    return freshnessOf(this.#status, this.#hasBegun);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#endPulse();
    this.#stream.close();
  }

  async #take(message: StreamMessage): Promise<void> {
    if (message.type === 'reset') this.#rows.clear();
    if (message.type === 'initial_data' && 'events' in message) {
      this.#rows.clear();
      for (const gathering of message.events) {
        this.#rows.set(gathering.id, { gathering: gathering as Gathering, pace: null });
      }
      this.#isTruncated = message.events_truncated === true;
      this.#hasBegun = true;
      this.#everybodyIsDue();
    }
    if (message.type === 'event_update') await this.#update(message);
    this.#draw();
  }

  async #update(message: Extract<StreamMessage, { type: 'event_update' }>): Promise<void> {
    const row = this.#rows.get(message.event_id);
    if (!row || CHANGES.includes(message.update_type)) {
      await this.#read(message.event_id);
    } else {
      const gathering = {
        ...row.gathering,
        participant_count: message.counts.registered,
        checked_in_count: message.counts.checked_in,
        inside_count: message.counts.inside,
        offset: message.offset,
      };
      // Another object each time: that is how a card sees that it has changed.
      this.#rows.set(message.event_id, { ...row, gathering });
    }
    if (ARRIVALS.includes(message.update_type)) {
      this.#due.add(message.event_id);
      this.#readPaces();
    }
  }

  async #read(id: string): Promise<void> {
    const { data, problem } = await ask(
      api.GET('/api/events/{event_id}', { params: { path: { event_id: id } } }),
    );
    if (data) this.#rows.set(id, { gathering: data, pace: this.#rows.get(id)?.pace ?? null });
    else if (problem.status === 403 || problem.status === 404) this.#rows.delete(id);
    // The stream then brings the message again: passing over it, the board would be wrong and say Live.
    else throw new Error(`the gathering was not read: ${problem.code}`);
  }

  #everybodyIsDue(): void {
    const rows = [...this.#rows.values()].sort(runningFirst);
    // Where somebody has arrived, the count goes down as time goes by.
    const moving = rows.filter(({ pace }) => pace?.counts.some((count) => count > 0));
    for (const { gathering } of [...moving, ...rows.slice(0, PACES_MAX)]) {
      this.#due.add(gathering.id);
    }
    this.#readPaces();
  }

  async #paces(): Promise<void> {
    const due = [...this.#due];
    this.#due.clear();
    for (const id of due) {
      const pace = await arrivalsOf(id, Date.now());
      const row = this.#rows.get(id);
      if (row && pace) this.#rows.set(id, { ...row, pace });
    }
    this.#draw();
  }
}

function runningFirst(a: BoardRow, b: BoardRow): number {
  return (
    Number(b.gathering.inside_count > 0) - Number(a.gathering.inside_count > 0) ||
    Date.parse(b.gathering.start_date) - Date.parse(a.gathering.start_date)
  );
}

let early: BoardFeed | null = null;

/** Opens the dashboard's stream before it is known who is signed in: the answer comes while the page is made. */
export function openEarly(): void {
  early = new BoardFeed();
}

/** The one that was opened early, once, unless it was turned away; else a new one. */
export function openedBoard(): BoardFeed {
  const board = early;
  early = null;
  if (board && board.freshness.state !== 'stopped') return board;
  board?.close();
  return new BoardFeed();
}
