// A clock for DoorbookStream that moves when told. Runs in Node and in a page.

export class Clock {
  time = 1_000_000;
  /** What `random()` gives: 1 makes every delay its ceiling. */
  chance = 1;
  #timers = new Map();
  #last = 0;

  now = () => this.time;
  monotonic = () => this.time;
  random = () => this.chance;
  clearTimeout = (timer) => this.#timers.delete(timer);

  setTimeout = (call, delayMs) => {
    this.#last += 1;
    this.#timers.set(this.#last, { at: this.time + delayMs, call });
    return this.#last;
  };

  get pending() {
    return this.#timers.size;
  }

  advance(byMs) {
    const end = this.time + byMs;
    for (;;) {
      const [next] = [...this.#timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at);
      if (next === undefined) break;
      this.#timers.delete(next[0]);
      this.time = Math.max(this.time, next[1].at);
      next[1].call();
    }
    this.time = end;
  }
}
