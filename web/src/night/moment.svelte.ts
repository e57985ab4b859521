// A gathering at a moment of the past, as the same picture that is drawn live. A jump reads it from the API as of
// an offset; from there `player` carries it on, event by event. Where one may jump to is the chronicle's.

import type { StreamMessage } from 'doorbook-stream';
import type { HistoryEntry } from '../api/client';
import type { Problem } from '../api/problem';
import type { Feed } from '../feed/feed';
import { oncePerFrame } from '../feed/frames';
import type { Freshness } from '../feed/freshness';
import { linesOf } from '../feed/lines';
import { Picture } from '../feed/picture';
import type { Chronicle } from './chronicle.svelte';
import { readGathering, readPast, readPeople, type Answer, type Past } from './reading';

/** Where somebody wants to go. */
export type Target = { offset: number } | { time: number };

export interface Moment {
  offset: number;
  /** The time that is shown for it, ms since 1970: what was asked for, else the event's. */
  at: number;
}

/** What is still to be read of the moment that is shown: the pages of people from `next` on. */
interface Rest {
  offset: number;
  past: Past;
  next: string | null;
  loaded: number;
  isReading: boolean;
}

export class MomentFeed implements Feed {
  readonly id: string;
  readonly picture = new Picture();
  #chronicle: Chronicle;
  #version = $state(0);
  #moment = $state.raw<Moment | null>(null);
  // Kept apart: while it plays the time changes without an event, and that is no other offset.
  #asOf = $state<number | null>(null);
  #asked = $state.raw<Target | null>(null);
  #loading = $state.raw<{ loaded: number; all: number } | null>(null);
  #isWhole = $state(false);
  #problem = $state.raw<Problem | null>(null);
  /** The question that comes next; there is never more than one, the latest. */
  #next: Target | null = null;
  #failed: Target | null = null;
  #isReading = false;
  #rest: Rest | null = null;
  /** Reading in the background; another moment ends it, once that moment is here to be shown. */
  #background = new AbortController();
  #isClosed = false;
  /** What the event that was applied last makes of the moment, shown with the next frame. */
  #carried: Moment | null = null;
  #gatheringRevision = 0;
  #isChanged = false;
  #frame = oncePerFrame(() => this.#show());

  constructor(id: string, chronicle: Chronicle) {
    this.id = id;
    this.#chronicle = chronicle;
  }

  get version(): number {
    return this.#version;
  }

  get moment(): Moment | null {
    return this.#moment;
  }

  /** Reactive: where one is on the way to; null: it is shown. */
  get asked(): Target | null {
    return this.#asked;
  }

  get asOf(): number | null {
    return this.#asOf;
  }

  get freshness(): Freshness {
    return this.#moment ? { state: 'moment', at: this.#moment.at } : { state: 'connecting' };
  }

  get loading() {
    return this.#loading;
  }

  /** Reactive: everybody is here. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Reactive: why the last question has no answer; the moment before it is still shown. */
  get problem(): Problem | null {
    return this.#problem;
  }

  /** Goes there: after the answer that is awaited, and not at all when another question comes first. */
  async go(target: Target): Promise<void> {
    this.#next = target;
    this.#asked = target;
    if (this.#isReading) return;
    this.#isReading = true;
    while (this.#next && !this.#isClosed) {
      const question = this.#next;
      this.#next = null;
      this.#problem = await this.#answer(question);
      this.#failed = this.#problem ? question : null;
    }
    this.#isReading = false;
    this.#asked = null;
    // Of the moment that is shown now, be it the one asked for or, without an answer, one before it.
    void this.#loadPeople();
  }

  /** Asks once more for what had no answer. */
  retry(): void {
    if (this.#failed) void this.go(this.#failed);
  }

  /** Takes the next event of the log; `at` is its time. */
  apply(message: StreamMessage & { offset: number }, at: number): void {
    this.picture.apply(message);
    const shown = this.#carried ?? this.#moment;
    this.#carried = { offset: message.offset, at: Math.max(at, shown?.at ?? 0) };
    this.#chronicle.reach(message.offset);
    if (this.picture.gatheringRevision !== this.#gatheringRevision) {
      this.#gatheringRevision = this.picture.gatheringRevision;
      void this.#readGathering(message.offset);
    }
    this.#draw();
  }

  /** The time goes on though nothing happens. */
  tick(at: number): void {
    const { offset } = this.#carried ?? this.#moment ?? {};
    if (offset === undefined) return;
    this.#carried = { offset, at };
    this.#frame();
  }

  close(): void {
    this.#isClosed = true;
    this.#background.abort();
  }

  async #answer(target: Target): Promise<Problem | null> {
    const offset = await this.#offsetOf(target);
    if (offset.problem) return offset.problem;
    // A newer question does not take this answer away: while somebody drags, they see where they pass.
    const { data, problem } = await readPast(this.id, offset.data);
    if (problem) return problem;
    if (this.#isClosed) return null;
    this.#begin(target, offset.data, data);
    return null;
  }

  async #offsetOf(target: Target): Promise<Answer<number>> {
    if ('time' in target) return this.#chronicle.offsetAt(target.time);
    const ends = this.#chronicle.ends;
    if (ends && target.offset > ends.last) await this.#chronicle.refreshEnd();
    const { first = 1, last = target.offset } = this.#chronicle.ends ?? {};
    return { data: Math.min(Math.max(target.offset, first), last) };
  }

  /** All at once, so that nobody sees half of it. */
  #begin(target: Target, offset: number, past: Past): void {
    this.#background.abort();
    this.#background = new AbortController();
    const { rows, next } = past.people;
    this.#rest = { offset, past, next, loaded: rows.length, isReading: false };
    this.#chronicle.learn(past.entries, past.entriesAfter, offset);
    const { picture } = this;
    picture.clear();
    picture.describe(past.gathering);
    picture.people.putAll(rows);
    this.#fillScans(past.entries);
    this.#gatheringRevision = picture.gatheringRevision;
    const eventAt =
      this.#chronicle.timeline.timeAt(offset) ?? Date.parse(past.gathering.start_date);
    this.#carried = { offset, at: 'time' in target ? target.time : eventAt };
    this.#isWhole = next === null;
    this.#loading = null;
    this.#isChanged = true;
    this.#show();
  }

  /** Goes on where it ended. */
  async #loadPeople(): Promise<void> {
    const rest = this.#rest;
    if (!rest || rest.isReading || this.#isClosed) return;
    const { offset, past } = rest;
    const { signal } = this.#background;
    rest.isReading = true;
    while (rest.next !== null) {
      const { loaded } = rest;
      this.#loading = { loaded, all: Math.max(past.gathering.participant_count, loaded) };
      const page = await readPeople(this.id, offset, rest.next, signal);
      if (signal.aborted) return;
      if (page.problem) {
        rest.isReading = false;
        // A question without an answer is what is asked again first.
        this.#problem ??= page.problem;
        this.#failed ??= { offset };
        return;
      }
      // Events that were played meanwhile are newer than the page, and stay.
      this.picture.people.putAll(page.data.rows);
      rest.loaded += page.data.rows.length;
      rest.next = page.data.next;
      this.#draw();
    }
    this.#rest = null;
    this.#nameScans(past.entries);
    this.#loading = null;
    this.#isWhole = true;
    this.#draw();
  }

  /** Its name, capacity and times, which the event does not tell. */
  async #readGathering(offset: number): Promise<void> {
    const { data } = await readGathering(this.id, offset, this.#background.signal);
    if (!data || (this.picture.gathering?.offset ?? 0) > data.offset) return;
    this.picture.describe(data);
    this.#draw();
  }

  #fillScans(entries: readonly HistoryEntry[]): void {
    for (const { actor } of entries) {
      if (actor.name) this.picture.actors.set(actor.id, actor.name);
    }
    this.picture.fillScans(linesOf(entries, this.picture.people));
  }

  /** Lines of people who were on a later page have their names now. */
  #nameScans(entries: readonly HistoryEntry[]): void {
    const lines = new Map(linesOf(entries, this.picture.people).map((line) => [line.offset, line]));
    const { picture } = this;
    picture.scans = picture.scans.map((line) => lines.get(line.offset) ?? line);
    picture.alerts = picture.alerts.map((line) => lines.get(line.offset) ?? line);
  }

  #draw(): void {
    this.#isChanged = true;
    this.#frame();
  }

  /** The moment and the picture change together: the offset beside the numbers is that of the numbers. */
  #show(): void {
    if (this.#carried) {
      this.#moment = this.#carried;
      this.#asOf = this.#carried.offset;
    }
    if (this.#isChanged) this.#version += 1;
    this.#isChanged = false;
  }
}
