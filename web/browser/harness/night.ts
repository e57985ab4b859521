// A night at the doors, from a seed: guests who come and go by three gates over some hours, tickets shown twice,
// a scan taken back, registrations cancelled. When it happened is said by `occurred_at`; the log takes it at once.

import { randomUUID } from 'node:crypto';

import type { Api, Gathering, Participant, Scan, ScanResult } from './api.ts';
import { Chance } from './chance.ts';
import { attendeeList, person, ticketCode, type Person } from './people.ts';

export const GATES = ['North gate', 'South gate', 'Garden'] as const;

/** How long an evening is that says nothing else. */
const MINUTES = 150;

export interface Plan {
  name?: string;
  people?: number;
  /** Of those registered, who come. */
  share?: number;
  seed?: number;
  /** Minutes ago that the doors opened. */
  minutes?: number;
  details?: Record<string, unknown>;
}

export interface Night {
  gathering: Gathering;
  prefix: string;
  people: Person[];
  /** The first on the list, whose name is markup. */
  someone: Participant;
  /** The last offset of the invitations. */
  invitedAt: number;
  /** The last offset of the night. */
  offset: number;
}

/** A gathering with an imported list, at which nobody has arrived yet. */
export async function invited(api: Api, plan: Plan = {}): Promise<Night> {
  const gathering = await api.createGathering(plan.name ?? 'Midsummer concert', {
    capacity: 500,
    start_date: new Date(opened(plan)).toISOString(),
    ...plan.details,
  });
  const prefix = gathering.id.slice(-8).toUpperCase();
  const people = Array.from({ length: plan.people ?? 60 }, (_, at) => person(prefix, at));
  const { rejected } = await api.importCsv(gathering.id, attendeeList(people));
  if (rejected.length > 0)
    throw new Error(`the list was not taken: ${JSON.stringify(rejected.slice(0, 3))}`);
  const { offset } = await api.gathering(gathering.id);
  const someone = await api.ok<Participant>(
    'GET',
    `/api/events/participants/${ticketCode(prefix, 0)}/`,
  );
  return { gathering, prefix, people, someone, invitedAt: offset, offset };
}

/** The same after some hours. */
export async function night(api: Api, plan: Plan = {}): Promise<Night> {
  const before = await invited(api, plan);
  const chance = new Chance(plan.seed ?? 1);
  const scans = scansOf(before.people, chance, plan);
  await api.scanBatch(before.gathering.id, scans);
  await mistakes(api, before);
  const { offset } = await api.gathering(before.gathering.id);
  return { ...before, offset };
}

/** When the doors opened, ms since 1970. */
function opened({ minutes = MINUTES }: Plan): number {
  return Math.floor(Date.now() / 60_000) * 60_000 - minutes * 60_000;
}

/** Everybody who comes arrives; one in eight leaves again, half of those come back; one in twenty shows a used ticket. */
function scansOf(people: readonly Person[], chance: Chance, plan: Plan): Scan[] {
  const minutes = plan.minutes ?? MINUTES;
  const moments: { at: number; code: string; direction: 'in' | 'out' }[] = [];
  const coming = people.slice(0, Math.ceil(people.length * (plan.share ?? 0.7)));
  for (const { code } of coming) {
    // Most come in the middle of the first half.
    const arrives = ((chance.next() + chance.next()) / 2) * 0.6 * minutes;
    moments.push({ at: arrives, code, direction: 'in' });
    if (chance.below(20) === 0) moments.push({ at: arrives + 2, code, direction: 'in' });
    if (chance.below(8) !== 0) continue;
    moments.push({ at: arrives + 0.2 * minutes, code, direction: 'out' });
    if (chance.below(2) === 0) moments.push({ at: arrives + 0.3 * minutes, code, direction: 'in' });
  }
  moments.sort((a, b) => a.at - b.at);
  return moments.map(({ at, code, direction }) => ({
    code,
    direction,
    scan_id: randomUUID(),
    gate: chance.of(GATES),
    device: `reader-${chance.below(4) + 1}`,
    occurred_at: new Date(opened(plan) + at * 60_000).toISOString(),
  }));
}

/** The last on the list: one registration cancelled and shown at the door, one scan taken back. */
async function mistakes(api: Api, { gathering, people }: Night): Promise<void> {
  const [cancelled, mistaken] = people.slice(-2).map(({ code }) => code);
  if (cancelled === undefined || mistaken === undefined) return;
  await api.surely(`/api/events/participants/${cancelled}/cancel/`, { reason: 'asked by mail' });
  await api.scan(gathering.id, arrival(cancelled, 'South gate'));
  await api.scan(gathering.id, arrival(mistaken, 'Garden'));
  await api.surely(`/api/events/participants/${mistaken}/undo/`, { reason: 'wrong person' });
}

export function arrival(
  code: string,
  gate: string = GATES[0],
  direction: 'in' | 'out' = 'in',
): Scan {
  return { code, direction, scan_id: randomUUID(), gate, device: 'reader-1' };
}

export const admit = (api: Api, id: string, code: string, gate?: string): Promise<ScanResult> =>
  api.scan(id, arrival(code, gate));
