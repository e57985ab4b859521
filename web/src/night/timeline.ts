// Which time belongs to which offset of a gathering: from the events known so far, which need not be all of
// them. Pure; `chronicle` reads what is missing.
//
// Two times are in the log: when something happened at a door, and when the log took it. People ask for the
// first, the log is ordered by the second. So each event has its door time: it follows the scans, never runs
// backwards, and is never later than what the log knew. Where scanning was online, the two are the same. What
// was uploaded late does not move the clock back; an evening that was entered afterwards has its evening all
// the same.

import type { HistoryEntry } from '../api/client';

export interface Known {
  readonly offset: number;
  /** ms since 1970: at the door, but not after it was recorded, whatever the device's clock said. */
  readonly at: number;
  readonly isScan: boolean;
}

export interface Bracket {
  /** The last known event at or before the time. */
  before: Known | null;
  /** The first known event after it. */
  after: Known | null;
  /** There is no event between the two. */
  isExact: boolean;
}

const SCANS = ['participant_checked_in', 'participant_checked_out', 'scan_refused'];

export function knownOf(entry: HistoryEntry): Known {
  return {
    offset: entry.offset,
    at: Math.min(Date.parse(entry.occurred_at), Date.parse(entry.recorded_at)),
    isScan: SCANS.includes(entry.type),
  };
}

export class Timeline {
  #events: Known[] = [];
  /** Spans of offsets, `(after, upTo]`, in which every event is known. Sorted, apart from each other. */
  #covered: { after: number; upTo: number }[] = [];
  #times: number[] | null = null;

  get events(): readonly Known[] {
    return this.#events;
  }

  /** Takes all events of `(after, upTo]`, in their order. */
  add(events: readonly Known[], after: number, upTo: number): void {
    const before = this.#events.filter((known) => known.offset <= after);
    const behind = this.#events.filter((known) => known.offset > upTo);
    this.#events = [...before, ...events, ...behind];
    this.#times = null;
    this.#cover(after, upTo);
  }

  /** The door time of the last known event at or before an offset, or of the first one that has a time. */
  timeAt(offset: number): number | null {
    const times = this.#doorTimes();
    const at = times[this.#place(offset)];
    return at !== undefined && at > -Infinity
      ? at
      : (times.find((time) => time > -Infinity) ?? null);
  }

  /** The offset and its time of the last scan that is known. */
  lastScan(): { offset: number; at: number } | null {
    const place = this.#events.findLastIndex((known) => known.isScan);
    const scan = this.#events[place];
    const at = this.#doorTimes()[place];
    return scan && at !== undefined ? { offset: scan.offset, at } : null;
  }

  bracket(time: number): Bracket {
    const times = this.#doorTimes();
    let [low, high] = [0, times.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((times[middle] ?? Infinity) <= time) low = middle + 1;
      else high = middle;
    }
    const before = this.#events[low - 1] ?? null;
    const after = this.#events[low] ?? null;
    const isExact = !before || !after || this.covers(before.offset, after.offset);
    return { before, after, isExact };
  }

  /** Where a time is among the offsets, for drawing: between two known events by the share of time. */
  offsetNear(time: number): number {
    const { before, after } = this.bracket(time);
    if (!before || !after) return (before ?? after)?.offset ?? 0;
    const [from, to] = [this.timeAt(before.offset) ?? time, this.timeAt(after.offset) ?? time];
    const share = to > from ? (time - from) / (to - from) : 0;
    return before.offset + share * (after.offset - before.offset);
  }

  /** The event before an offset; undefined: not known yet which one that is. */
  previous(offset: number): number | undefined {
    const known = this.#events[this.#place(offset - 1)];
    return known && this.covers(known.offset, offset - 1) ? known.offset : undefined;
  }

  /** Whether every event of `(after, upTo]` is known. */
  covers(after: number, upTo: number): boolean {
    return after >= upTo || this.#covered.some((span) => span.after <= after && span.upTo >= upTo);
  }

  /** From an offset on every event is known up to the one that is given back. */
  coveredUpTo(after: number): number {
    return this.#covered.find((span) => span.after <= after && span.upTo > after)?.upTo ?? after;
  }

  #cover(after: number, upTo: number): void {
    const apart = this.#covered.filter((span) => span.upTo < after || span.after > upTo);
    const touching = this.#covered.filter((span) => span.upTo >= after && span.after <= upTo);
    const whole = {
      after: Math.min(after, ...touching.map((span) => span.after)),
      upTo: Math.max(upTo, ...touching.map((span) => span.upTo)),
    };
    this.#covered = [...apart, whole].sort((one, other) => one.after - other.after);
  }

  /** Of the last event at or before an offset; -1: none. */
  #place(offset: number): number {
    let [low, high] = [0, this.#events.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#events[middle]?.offset ?? Infinity) <= offset) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  #doorTimes(): number[] {
    this.#times ??= doorTimes(this.#events);
    return this.#times;
  }
}

/**
 * One time for each event, never falling. What is no scan has its own where that is not after the next scan;
 * else it was entered afterwards, and counts as there since the scan before it, or since ever (-Infinity).
 */
export function doorTimes(events: readonly Known[]): number[] {
  const ceilings = new Array<number>(events.length).fill(Infinity);
  let latest = -Infinity;
  const scans = events.map(({ at, isScan }) => (isScan ? (latest = Math.max(latest, at)) : null));
  let ceiling = Infinity;
  for (let place = events.length - 1; place >= 0; place -= 1) {
    ceilings[place] = ceiling;
    ceiling = scans[place] ?? ceiling;
  }
  let clock = -Infinity;
  return events.map(({ at }, place) => {
    const isEnteredAfterwards = at > (ceilings[place] ?? Infinity);
    clock = scans[place] ?? (isEnteredAfterwards ? clock : Math.max(clock, at));
    return clock;
  });
}
