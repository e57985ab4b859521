// The details of a gathering as a form holds them, and what of it was changed: only that is sent, so that two
// people who change different things do not undo each other.

import type { Gathering } from '../../api/client';
import type { components } from '../../api/schema';
import { localTime } from '../../time/zone';

export type Changes = components['schemas']['GatheringChange'];

/** What the form's fields hold. Moments are local times of the zone, empty where there is none. */
export interface Draft {
  name: string;
  start_date: string;
  end_date: string;
  time_zone: string;
  capacity: number | null;
  capacity_mode: Gathering['capacity_mode'];
  reentry: Gathering['reentry'];
  opens_at: string;
  closes_at: string;
  registration: Gathering['registration'];
}

const MOMENTS = ['start_date', 'end_date', 'opens_at', 'closes_at'] as const;

export function draftOf(gathering: Gathering): Draft {
  const local = (moment: string | null | undefined) =>
    moment ? localTime(moment, gathering.time_zone) : '';
  return {
    name: gathering.name,
    start_date: local(gathering.start_date),
    end_date: local(gathering.end_date),
    time_zone: gathering.time_zone,
    capacity: gathering.capacity ?? null,
    capacity_mode: gathering.capacity_mode,
    reentry: gathering.reentry,
    opens_at: local(gathering.opens_at),
    closes_at: local(gathering.closes_at),
    registration: gathering.registration,
  };
}

/** How many fields differ. */
export function countChanges(before: Draft, now: Draft): number {
  const keys = Object.keys(before) as (keyof Draft)[];
  return keys.filter((key) => before[key] !== now[key]).length;
}

/** What to send. The server takes local times in the zone that holds after the change. */
export function changesOf(before: Draft, now: Draft): Changes {
  const changes: Changes = {};
  if (now.name !== before.name) changes.name = now.name;
  if (now.capacity !== before.capacity) changes.capacity = now.capacity;
  if (now.capacity_mode !== before.capacity_mode) changes.capacity_mode = now.capacity_mode;
  if (now.reentry !== before.reentry) changes.reentry = now.reentry;
  if (now.registration !== before.registration) changes.registration = now.registration;
  const hasMoved = now.time_zone !== before.time_zone;
  if (hasMoved) changes.time_zone = now.time_zone;
  for (const field of MOMENTS) {
    // In another zone the times that stay as they read are other moments.
    const isOther = now[field] !== before[field] || (hasMoved && now[field] !== '');
    if (isOther) changes[field] = now[field] === '' ? null : now[field];
  }
  return changes;
}
