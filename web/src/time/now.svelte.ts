// The present, for what is shown as an age: one clock for the page that ticks each second.

class Now {
  #ms = $state(Date.now());

  constructor() {
    setInterval(() => {
      this.#ms = Date.now();
    }, 1000);
  }

  get ms(): number {
    return this.#ms;
  }
}

export const now = new Now();
