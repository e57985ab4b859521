// What was and what is, of one gathering and one person: read from the same endpoints, once with `as_of`.

import { api, type Gathering, type Participant } from '../../api/client';
import { ask, type Problem } from '../../api/problem';
import { pairOf, type Pair } from './pair';

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
    const gathering = now.problem ? { problem: now.problem } : pairOf(then, now);
    this.#problem = gathering.problem ?? person?.problem ?? null;
    this.#gathering = gathering.data ?? null;
    this.#person = person?.data ?? null;
    this.#isReading = false;
  }
}

function readGathering(id: string, asOf: string | null) {
  const query = asOf === null ? {} : { as_of: asOf };
  return ask(api.GET('/api/events/{event_id}', { params: { path: { event_id: id }, query } }));
}

async function readPair(code: string, asOf: string) {
  const [then, now] = await Promise.all([readPerson(code, asOf), readPerson(code, null)]);
  return pairOf<Participant>(then, now);
}

function readPerson(code: string, asOf: string | null) {
  const query = asOf === null ? {} : { as_of: asOf };
  return ask(
    api.GET('/api/events/participants/{event_pax_id}', {
      params: { path: { event_pax_id: code }, query },
    }),
  );
}
