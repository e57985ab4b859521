// Streams that a story looks at from outside: everything that goes in and out is JSON, so that the same story
// is told with the streams in this process and with the streams in a page. Runs in Node and in a page.

import { DoorbookStream } from '../../../clients/js/doorbook-stream.js';
import { Clock } from './clock.mjs';

export class Seat {
  #streams = new Map();
  #common;
  #mint;

  /** `mint(lifetime_s)` gives a token that lives so long; `common` are options of every stream. */
  constructor(mint, common) {
    this.#mint = mint;
    this.#common = common;
  }

  /**
   * `lifetimes`: of the tokens that the stream is given, one after the other, in seconds, and the last one again
   * and again; unless it is `renewable`, none is to be had before one has run out. `token`: this one. `tickets`: where
   * to get one for each connection. Without all of them, the stream brings nothing.
   */
  open(name, { lifetimes, renewable = true, token, tickets, stoppedClock, ...options }) {
    const seen = { messages: [], states: [], problems: [], asked: [] };
    const tokens = [...(lifetimes ?? [])];
    const getToken = async ({ reason }) => {
      seen.asked.push(reason);
      if (reason === 'expiring' && !renewable) throw new Error('no token to be had');
      return this.#mint(tokens.length > 1 ? tokens.shift() : tokens[0]);
    };
    const getTicket = async () => {
      seen.asked.push('ticket');
      const answer = await fetch(tickets, { method: 'POST', headers: { authorization: `Bearer ${await this.#mint(60)}` } });
      if (!answer.ok) throw new Error(`no ticket: ${answer.status}`);
      return (await answer.json()).ticket;
    };
    const clock = stoppedClock ? new Clock() : undefined;
    const stream = new DoorbookStream({
      ...this.#common,
      ...options,
      ...(lifetimes && { getToken }),
      ...(token && { getToken: () => token }),
      ...(tickets && { getTicket }),
      ...(clock && { clock }),
      onMessage: (message) => {
        seen.messages.push(message);
      },
      onStatus: ({ state }) => {
        if (seen.states.at(-1) !== state) seen.states.push(state);
      },
      onProblem: ({ error, ...problem }) => seen.problems.push({ ...problem, ...(error && { error: String(error) }) }),
    });
    this.#streams.set(name, { stream, seen, clock });
    stream.open();
  }

  /** All there is to see, but of the messages only those from `since` on. */
  look(name, since = 0) {
    const { stream, seen } = this.#streams.get(name);
    const { status, cursor, counters } = stream;
    return { ...seen, messages: seen.messages.slice(since), status, cursor, counters };
  }

  advance(name, byMs) {
    this.#streams.get(name).clock.advance(byMs);
  }

  close(name) {
    this.#streams.get(name).stream.close();
    this.#streams.delete(name);
  }

  closeAll() {
    for (const name of [...this.#streams.keys()]) this.close(name);
  }
}
