// Who is signed in. The token itself is in a cookie that no script can read; here is only what it says.

import { api, whenSignedOut } from '../api/client';
import type { components } from '../api/schema';
import { ask, type Problem } from '../api/problem';
import { forgetAll } from './kept';

export type Who = components['schemas']['Session'];

type State = 'unknown' | 'signed-in' | 'signed-out' | 'unreachable';

class Session {
  #state = $state<State>('unknown');
  #who = $state.raw<Who | null>(null);
  #hasEnded = $state(false);

  constructor() {
    whenSignedOut(() => this.#end());
  }

  get state(): State {
    return this.#state;
  }

  get who(): Who | null {
    return this.#who;
  }

  /** It was there, and has run out or was revoked. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  get isSuperuser(): boolean {
    return this.has('superuser');
  }

  has(role: 'superuser' | 'creator' | 'auditor'): boolean {
    return this.#who?.roles.includes(role) ?? false;
  }

  /** May see the history of every gathering. */
  get mayAudit(): boolean {
    return this.isSuperuser || this.has('auditor');
  }

  async load(): Promise<void> {
    const { data, problem } = await ask(api.GET('/api/session'));
    if (data) this.#begin(data);
    else this.#state = problem.status === 401 ? 'signed-out' : 'unreachable';
  }

  async signIn(identity: { token: string } | { link: string }): Promise<Problem | null> {
    const { data, problem } = await ask(api.POST('/api/session', { body: identity }));
    if (problem) return problem;
    this.#begin(data);
    return null;
  }

  async signOut(): Promise<void> {
    await ask(api.DELETE('/api/session'));
    this.#end();
    this.#hasEnded = false;
  }

  #begin(who: Who): void {
    this.#who = who;
    this.#hasEnded = false;
    this.#state = 'signed-in';
  }

  #end(): void {
    forgetAll();
    this.#hasEnded = this.#who !== null;
    this.#who = null;
    this.#state = 'signed-out';
  }
}

export const session = new Session();
