// One button that changes something: whether it is on its way, what went wrong, and the key by which the
// server knows the same command. Pressed again after a lost answer, it is the same command; once there was an
// answer, or when it says something else, it is another.

import { freshKey } from '../api/attempt';
import { ask, type Problem } from '../api/problem';

type Asked<T> = Promise<{ data?: T; error?: unknown; response: Response }>;

export interface Answered<T> {
  data: T;
  /** What a reader may wait for with `X-Min-Offset`. */
  offset: number | null;
}

export class Sending {
  #key: string | null = null;
  #content = '';
  #isRunning = $state(false);
  #problem = $state.raw<Problem | null>(null);

  get isRunning(): boolean {
    return this.#isRunning;
  }

  get problem(): Problem | null {
    return this.#problem;
  }

  /** Null: it failed (`problem` says why), or it was on its way already. */
  async send<T>(content: unknown, request: (key: string) => Asked<T>): Promise<Answered<T> | null> {
    if (this.#isRunning) return null;
    const key = this.keyFor(content);
    this.#isRunning = true;
    this.#problem = null;
    const answer = await ask(request(key));
    this.#isRunning = false;
    this.settle(answer.problem ?? null);
    if (answer.problem) return null;
    const offset = answer.response.headers.get('X-Offset');
    return { data: answer.data, offset: offset === null ? null : Number(offset) };
  }

  /** The key of a command with this content. */
  keyFor(content: unknown): string {
    const text = JSON.stringify(content);
    if (this.#key === null || this.#content !== text) {
      this.#key = freshKey();
      this.#content = text;
    }
    return this.#key;
  }

  /** Takes the command's end: with an answer its key has had its day. */
  settle(problem: Problem | null): void {
    this.#problem = problem;
    if (problem === null || isAnswer(problem.status)) this.#key = null;
  }

  forget(): void {
    this.#problem = null;
    this.#key = null;
  }
}

/** Whether the server has decided, so that asking again is asking anew. */
function isAnswer(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}
