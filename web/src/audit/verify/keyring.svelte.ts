// Which verifier key checks are made with: the one that the auditor gave, for as long as the page is open, or the
// server's own.

import { api } from '../../api/client';
import { ask, type Problem } from '../../api/problem';

class Keyring {
  #given = $state<string | null>(null);
  #served = $state<string | null>(null);

  /** The key that the auditor gave. */
  get given(): string | null {
    return this.#given;
  }

  /** The key that checks use, once it is known. */
  get current(): string | null {
    return this.#given ?? this.#served;
  }

  give(key: string | null): void {
    this.#given = key;
  }

  async key(): Promise<{ data: string; problem?: never } | { data?: never; problem: Problem }> {
    if (this.#given !== null) return { data: this.#given };
    const answer = await ask(api.GET('/api/log/key', { parseAs: 'text' }));
    if (answer.problem) return { problem: answer.problem };
    this.#served = answer.data;
    return { data: answer.data };
  }
}

export const keyring = new Keyring();
