// The HTTP API as an outsider calls it: what the tests put into the log, and what they hold the pages against.

import { randomUUID } from 'node:crypto';

import type { Doorbook } from './doorbook.ts';
import type { Claims } from './tokens.ts';

const PATIENCE_MS = 30_000;
const PAGE_MAX = 1_000;

export interface Gathering {
  id: string;
  name: string;
  capacity: number | null;
  participant_count: number;
  checked_in_count: number;
  inside_count: number;
  offset: number;
}

export interface Participant {
  id: string;
  event_pax_id: string;
  user: { first_name: string; last_name: string; email: string } | null;
  status: string;
  checked_in: boolean;
  entries: number;
}

export interface Entry {
  offset: number;
  type: string;
  code: string | null;
  recorded_at: string;
  occurred_at: string;
  event_id: string | null;
  event_pax_id: string | null;
  gate: string | null;
  undoes: number | null;
  outcome: string | null;
  accessed: { what: string; format: string | null } | null;
  actor: { id: string; role: string };
}

export interface Scan {
  code: string;
  direction: 'in' | 'out';
  scan_id: string;
  gate?: string;
  device?: string;
  occurred_at?: string;
  mode?: 'online' | 'offline_fact';
}

export interface ScanResult {
  outcome: string;
  code?: string;
  offset: number;
  status?: number;
  occupancy: { inside: number; checked_in: number; registered: number; capacity: number | null };
}

interface Page<T> {
  results: T[];
  next: string | number | null;
}

export interface Asked {
  body?: unknown;
  text?: string;
  type?: string;
  key?: string;
}

export class Api {
  readonly #doorbook: Doorbook;
  readonly #token: string;

  constructor(doorbook: Doorbook, who: Claims) {
    this.#doorbook = doorbook;
    this.#token = doorbook.token(who);
  }

  async answer(method: string, path: string, asked: Asked = {}): Promise<Response> {
    const headers: Record<string, string> = { authorization: `Bearer ${this.#token}` };
    if (asked.body !== undefined) headers['content-type'] = 'application/json';
    if (asked.type !== undefined) headers['content-type'] = asked.type;
    if (asked.key !== undefined) headers['idempotency-key'] = asked.key;
    const body = asked.text ?? (asked.body === undefined ? undefined : JSON.stringify(asked.body));
    return fetch(this.#doorbook.url + path, {
      method,
      headers,
      ...(body !== undefined && { body }),
    });
  }

  async ok<T>(method: string, path: string, asked: Asked = {}): Promise<T> {
    const answer = await this.answer(method, path, asked);
    const text = await answer.text();
    if (!answer.ok) throw new Refused(`${method} ${path}: ${answer.status} ${text.slice(0, 300)}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  /** A command that is given until it is answered: the server may die over it, and its key makes it one. */
  async surely<T>(path: string, body: unknown, key: string = randomUUID()): Promise<T> {
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
      try {
        return await this.ok<T>('POST', path, { body, key });
      } catch (error) {
        if (error instanceof Refused || Date.now() > end) throw error;
        await new Promise(setImmediate);
      }
    }
  }

  createGathering(name: string, more: Record<string, unknown> = {}): Promise<Gathering> {
    return this.ok('POST', '/api/events/', {
      body: { name, start_date: '2026-05-01T18:00:00Z', time_zone: 'Europe/Berlin', ...more },
    });
  }

  gathering(id: string, asOf?: number): Promise<Gathering> {
    return this.ok('GET', `/api/events/${id}/${asOf === undefined ? '' : `?as_of=${asOf}`}`);
  }

  participants(id: string, query: Record<string, string> = {}): Promise<Participant[]> {
    return this.#all(`/api/events/${id}/participants/`, query);
  }

  history(id: string, query: Record<string, string> = {}): Promise<Entry[]> {
    return this.#all(`/api/events/${id}/history/`, query);
  }

  register(id: string, body: Record<string, string>): Promise<Participant> {
    return this.ok('POST', `/api/events/${id}/register/`, { body });
  }

  importCsv(id: string, list: string): Promise<{ accepted: number; rejected: unknown[] }> {
    return this.ok('POST', `/api/events/${id}/import/`, { text: list, type: 'text/csv' });
  }

  /** Admitted or refused: both are answers. */
  scan(id: string, scan: Scan): Promise<ScanResult> {
    return this.surely(`/api/events/${id}/scan/`, scan, scan.scan_id);
  }

  async scanBatch(id: string, scans: Scan[]): Promise<ScanResult[]> {
    const done: ScanResult[] = [];
    for (let at = 0; at < scans.length; at += PAGE_MAX) {
      const part = scans.slice(at, at + PAGE_MAX);
      const { results } = await this.ok<{ results: ScanResult[] }>(
        'POST',
        `/api/events/${id}/scan/batch/`,
        { body: { scans: part } },
      );
      done.push(...results);
    }
    return done;
  }

  async #all<T>(path: string, query: Record<string, string>): Promise<T[]> {
    const all: T[] = [];
    let after: string | number | null = null;
    do {
      const asked = new URLSearchParams({
        ...query,
        limit: String(PAGE_MAX),
        ...(after !== null && { after: String(after) }),
      });
      const page: Page<T> = await this.ok('GET', `${path}?${asked.toString()}`);
      all.push(...page.results);
      after = page.next;
    } while (after !== null);
    return all;
  }
}

/** The server has answered, and the answer is no. */
export class Refused extends Error {}
