// Who is signed in. The token itself is in a cookie that no script can read; here is only what it says.

import { api, whenSignedOut } from '../api/client';
import type { components } from '../api/schema';
import { ask, type Problem } from '../api/problem';
import { forgetAll } from './kept';

export type Who = components['schemas']['Session'];

type State = 'unknown' | 'signed-in' | 'signed-out' | 'unreachable';

/** What the tabs of a browser tell each other: they have one cookie. */
type Told = 'signed-out' | { signedInAs: string };

class Session {
  #tabs = new BroadcastChannel('doorbook.session');
  #state = $state<State>('unknown');
  #who = $state.raw<Who | null>(null);
  #hasEnded = $state(false);

  constructor() {
    whenSignedOut(() => this.#end());
    this.#tabs.onmessage = ({ data }: MessageEvent<Told>) => this.#hear(data);
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
    else if (problem.status === 401) this.#end();
    else this.#state = 'unreachable';
  }

  async signIn(identity: { token: string } | { link: string }): Promise<Problem | null> {
    const { data, problem } = await ask(api.POST('/api/session', { body: identity }));
    if (problem) return problem;
    this.#begin(data);
    this.#tell({ signedInAs: data.sub });
    return null;
  }

  /** The problem, when the cookie may still be there: whoever sits down next would be in. */
  async signOut(): Promise<Problem | null> {
    forgetAll();
    const { problem } = await ask(api.DELETE('/api/session'));
    if (problem && problem.status !== 401) return problem;
    this.#end();
    this.#hasEnded = false;
    this.#tell('signed-out');
    return null;
  }

  #tell(told: Told): void {
    this.#tabs.postMessage(told);
  }

  #hear(told: Told): void {
    if (told === 'signed-out') this.#end();
    // What this tab shows was read as somebody else.
    else if (told.signedInAs !== this.#who?.sub) location.reload();
  }

  #begin(who: Who): void {
    if (this.#who && this.#who.sub !== who.sub) forgetAll();
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
