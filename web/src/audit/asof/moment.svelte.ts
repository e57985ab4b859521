// What was and what is, of one gathering and one person: read from the same endpoints, once with `as_of`.

import { api, type Gathering, type Participant } from '../../api/client';
import { ask, type Problem } from '../../api/problem';

export interface Pair<T> {
  /** Null: not yet there then. */
  then: T | null;
  now: T | null;
}

export class Moment {
  #gathering = $state.raw<Pair<Gathering> | null>(null);
  #person = $state.raw<Pair<Participant> | null>(null);
  #problem = $state.raw<Problem | null>(null);
  #isReading = $state(false);
  #reading = 0;

  get gathering(): Pair<Gathering> | null {
    return this.#gathering;
  }

  get person(): Pair<Participant> | null {
    return this.#person;
  }

  get problem(): Problem | null {
    return this.#problem;
  }

  get isReading(): boolean {
    return this.#isReading;
  }

  /** `asOf`: an offset or a time, as the API takes it. `code`: of a ticket, or null. */
  async read(id: string, asOf: string, code: string | null): Promise<void> {
    const reading = ++this.#reading;
    this.#isReading = true;
    const [then, now] = await Promise.all([readGathering(id, asOf), readGathering(id, null)]);
    const person = code === null ? null : await readPair(code, asOf);
    if (reading !== this.#reading) return;
    const problem = then.problem ?? now.problem;
    this.#problem = problem && problem.status !== 404 ? problem : (now.problem ?? null);
    this.#gathering = this.#problem ? null : { then: then.data ?? null, now: now.data ?? null };
    this.#person = person;
    this.#isReading = false;
  }
}

function readGathering(id: string, asOf: string | null) {
  const query = asOf === null ? {} : { as_of: asOf };
  return ask(api.GET('/api/events/{event_id}', { params: { path: { event_id: id }, query } }));
}

async function readPair(code: string, asOf: string): Promise<Pair<Participant>> {
  const [then, now] = await Promise.all([readPerson(code, asOf), readPerson(code, null)]);
  return { then: then.data ?? null, now: now.data ?? null };
}

function readPerson(code: string, asOf: string | null) {
  const query = asOf === null ? {} : { as_of: asOf };
  return ask(
    api.GET('/api/events/participants/{event_pax_id}', {
      params: { path: { event_pax_id: code }, query },
    }),
  );
}
