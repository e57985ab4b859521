// The clock of playing the night again: it runs so many times faster than life, stands where it is told to, and
// never goes back. Which events it waits for is the player's.

export const SPEEDS = [1, 10, 60] as const;
export type Speed = (typeof SPEEDS)[number];

/** What is left of a silence that is skipped: a breath before the next event, in ms of the one who watches. */
const BREATH_MS = 400;
/** From such a silence on nobody wants to wait, ms of the evening. */
const SILENCE_MS: Record<Speed, number> = { 1: 60_000, 10: 120_000, 60: 300_000 };

export class PlaybackClock {
  #at: number;
  #wall: () => number;
  /** On the wall, since when it runs. */
  #since: number | null = null;
  #speed: Speed = 1;

  /** `wall`: ms that never go back, such as `performance.now()`. */
  constructor(at: number, wall: () => number) {
    this.#at = at;
    this.#wall = wall;
  }

  /** ms since 1970. */
  get now(): number {
    const ran = this.#since === null ? 0 : Math.max(0, this.#wall() - this.#since);
    return this.#at + ran * this.#speed;
  }

  run(speed: Speed): void {
    this.stop();
    this.#speed = speed;
    this.#since = this.#wall();
  }

  stop(): void {
    this.#at = this.now;
    this.#since = null;
  }

  /** Stands at `at` unless it is past it. */
  advanceTo(at: number): void {
    this.#at = Math.max(this.now, at);
    if (this.#since !== null) this.#since = this.#wall();
  }

  /** How long to wait on the wall until it is `at`, ms; 0: it is. */
  waitMs(at: number, speed: Speed): number {
    return Math.max(0, (at - this.now) / speed);
  }
}

/** How much of the silence until the next event to leave out, ms; 0: wait for it. */
export function skippedMs(now: number, next: number, speed: Speed): number {
  const silence = next - now;
  return silence > SILENCE_MS[speed] ? silence - BREATH_MS * speed : 0;
}
