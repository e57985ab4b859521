// The course of a gathering: its first and last event, when the evening was, who arrived when, and which offset
// a time means. It reads as much of the history as these questions need: all of it where it is short, else
// pieces, and more where somebody looks closer.

import type { Arrivals, Gathering, HistoryEntry } from '../api/client';
import type { Problem } from '../api/problem';
import { PAGE_ROWS, readArrivals, readGathering, readHistory, type Answer } from './reading';
import { bucketSeconds, eveningOf, type Span } from './scale';
import { knownOf, Timeline } from './timeline';

/** A history of up to so many pages is read as a whole. */
const WHOLE_PAGES = 4;
/** Of a longer one so many places are read, evenly apart … */
const PROBES = 96;
/** … so many at a time. */
const PROBES_AT_ONCE = 4;
/** Looking closer halves or fills the gap; after so many times it is near enough. */
const CLOSER_MAX = 24;
/** Bars of arrivals behind the slider. */
const BARS = 160;

export interface Ends {
  /** Offsets of the gathering's first and last event. */
  first: number;
  last: number;
}

export class Chronicle {
  readonly id: string;
  readonly timeline = new Timeline();
  #version = $state(0);
  #gathering = $state.raw<Gathering | null>(null);
  #ends = $state.raw<Ends | null>(null);
  #evening = $state.raw<Span | null>(null);
  #arrivals = $state.raw<Arrivals | null>(null);

  constructor(id: string) {
    this.id = id;
  }

  /** Reactive; read it before asking the timeline. */
  get version(): number {
    return this.#version;
  }

  /** Reactive; as it is now. Whoever may see it may read that, if not look back. */
  get gathering(): Gathering | null {
    return this.#gathering;
  }

  /** Reactive; null before `open`. */
  get ends(): Ends | null {
    return this.#ends;
  }

  /** Reactive; null where there is none: nobody has come. */
  get evening(): Span | null {
    return this.#evening;
  }

  get arrivals(): Arrivals | null {
    return this.#arrivals;
  }

  /** Finds the ends, and when the evening was; null: done. Where each event lies comes with `read`. */
  async open(): Promise<Problem | null> {
    const [gathering, page] = await Promise.all([
      readGathering(this.id, null),
      readHistory(this.id, 0, 1),
    ]);
    this.#gathering = gathering.data ?? null;
    const problem = gathering.problem ?? page.problem;
    if (problem || !gathering.data || !page.data) return problem ?? null;
    const first = page.data[0]?.offset ?? gathering.data.offset;
    const last = Math.max(gathering.data.offset, first);
    this.#ends = { first, last };
    this.#take(page.data, 0, first);
    await Promise.all([this.#probeAt(last), this.#findFirstArrival(), this.#readArrivals()]);
    return null;
  }

  /** Reads enough of what lies between to place it on a scale, and to know the end of the evening. */
  async read(): Promise<void> {
    if (!this.#ends) return;
    if (!(await this.#readWhole())) {
      await this.#probe();
      await this.#findLastScan();
    }
    await this.#readArrivals();
  }

  /** The last event may be another one by now. */
  async refreshEnd(): Promise<void> {
    const { data } = await readGathering(this.id, null);
    if (!data || !this.#ends || data.offset <= this.#ends.last) return;
    const entries = await readHistory(this.id, data.offset - 1, 1);
    if (entries.data) this.#take(entries.data, data.offset - 1, data.offset);
    this.#ends = { ...this.#ends, last: data.offset };
    await this.#readArrivals();
  }

  /** The gathering has come so far at least. */
  reach(offset: number): void {
    if (this.#ends && offset > this.#ends.last) this.#ends = { ...this.#ends, last: offset };
  }

  /** Entries that somebody else has read: all of `(after, upTo]`. */
  learn(entries: readonly HistoryEntry[], after: number, upTo: number): void {
    this.#take(entries, after, upTo);
  }

  /** The last event that had happened at a time; the first one before there was any. */
  async offsetAt(time: number): Promise<Answer<number>> {
    for (let turn = 0; turn < CLOSER_MAX; turn += 1) {
      const { before, after, isExact } = this.timeline.bracket(time);
      if (isExact || !before || !after) break;
      const gap = after.offset - before.offset;
      const problem =
        gap > PAGE_ROWS
          ? await this.#probeAt(before.offset + Math.floor(gap / 2))
          : await this.#readPage(before.offset, after.offset);
      if (problem) return { problem };
    }
    return { data: this.timeline.bracket(time).before?.offset ?? this.#ends?.first ?? 0 };
  }

  /** The door time of an event, read where it is not known; null: it could not be read. */
  async timeOf(offset: number): Promise<number | null> {
    if (!this.timeline.covers(offset - 1, offset)) await this.#readPage(offset - 1, offset);
    return this.timeline.covers(offset - 1, offset) ? this.timeline.timeAt(offset) : null;
  }

  /** The event before an offset; null: there is none, or it could not be read. */
  async previous(offset: number): Promise<number | null> {
    const known = this.timeline.previous(offset);
    if (known !== undefined) return known;
    // A gathering as of an offset says which of its events was the last then, however long ago.
    const { data } = await readGathering(this.id, offset - 1);
    return data?.offset ?? null;
  }

  async #readWhole(): Promise<boolean> {
    const { last = 0 } = this.#ends ?? {};
    for (let page = 0; page < WHOLE_PAGES; page += 1) {
      const reached = this.timeline.coveredUpTo(0);
      if (reached >= last) return true;
      if (await this.#readPage(reached, last)) return false;
    }
    return this.timeline.coveredUpTo(0) >= last;
  }

  async #probe(): Promise<void> {
    const { first = 0, last = 0 } = this.#ends ?? {};
    const places = Array.from({ length: PROBES }, (_, place) =>
      Math.round(first + ((last - first) * (place + 1)) / PROBES),
    );
    const next = async (): Promise<void> => {
      for (let place = places.shift(); place !== undefined; place = places.shift()) {
        await this.#probeAt(place);
      }
    };
    await Promise.all(Array.from({ length: PROBES_AT_ONCE }, next));
  }

  /** Which time the events before it have, depends on it. */
  async #findFirstArrival(): Promise<void> {
    const { data } = await readHistory(this.id, 0, 1, 'participant_checked_in');
    const first = data?.[0];
    if (first) this.#take([first], first.offset - 1, first.offset);
  }

  /** Between the last scan that was met and the next place there may be more of them. */
  async #findLastScan(): Promise<void> {
    const scan = this.timeline.lastScan();
    const next = this.timeline.events.find((known) => known.offset > (scan?.offset ?? Infinity));
    if (scan && next) await this.#readPage(scan.offset, next.offset);
  }

  async #readArrivals(): Promise<void> {
    const arrivals = await readArrivals(this.id, null);
    if (!arrivals) return;
    const lastScan = this.timeline.lastScan()?.at ?? null;
    const { buckets, bucket_seconds } = arrivals;
    this.#evening = eveningOf(buckets, bucket_seconds * 1000, lastScan);
    const seconds = this.#evening ? bucketSeconds(this.#evening, BARS) : bucket_seconds;
    this.#arrivals =
      seconds === bucket_seconds ? arrivals : ((await readArrivals(this.id, seconds)) ?? arrivals);
  }

  /** Reads the first event at or after a place. */
  async #probeAt(place: number): Promise<Problem | null> {
    const { data, problem } = await readHistory(this.id, place - 1, 1);
    if (problem) return problem;
    this.#take(data, place - 1, data[0]?.offset ?? Math.max(place, this.#ends?.last ?? 0));
    return null;
  }

  /** Reads a page after an offset; when it is not full, it reaches `end`. */
  async #readPage(after: number, end: number): Promise<Problem | null> {
    const { data, problem } = await readHistory(this.id, after, PAGE_ROWS);
    if (problem) return problem;
    this.#take(data, after, endOf(data, after, end));
    return null;
  }

  #take(entries: readonly HistoryEntry[], after: number, upTo: number): void {
    const last = entries.at(-1)?.offset ?? 0;
    const known = entries.filter((entry) => entry.offset > after).map(knownOf);
    this.timeline.add(known, after, Math.max(upTo, last));
    this.#version += 1;
  }
}

/** Up to where a page has everything. */
function endOf(page: readonly HistoryEntry[], after: number, end: number): number {
  const last = page.at(-1)?.offset ?? after;
  return page.length < PAGE_ROWS ? Math.max(last, end) : last;
}
