// Chance that can be repeated: the same seed gives the same numbers (mulberry32, public domain, by Tommy Ettinger).

export class Chance {
  #state: number;

  constructor(readonly seed: number) {
    this.#state = seed >>> 0;
  }

  /** From a variable, else new on each run. */
  static fromEnvironment(): Chance {
    const given = process.env['SEED'];
    return new Chance(given === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(given));
  }

  /** At least 0, below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  below(bound: number): number {
    return Math.floor(this.next() * bound);
  }

  of<T>(many: readonly T[]): T {
    const one = many[this.below(many.length)];
    if (one === undefined) throw new Error('there is nothing to choose from');
    return one;
  }
}
