// What was and what is, as the rows of a table.

import type { Gathering, Participant } from '../../api/client';
import { i18n } from '../../i18n/index.svelte';
import { moment, number } from '../../time/format';
import type { Pair } from './pair';

export interface Row {
  name: string;
  then: string;
  now: string;
  /** Of numbers. */
  difference?: string;
}

export function gatheringRows({ then, now }: Pair<Gathering>): Row[] {
  const t = i18n.t.audit.asOf;
  const { none } = i18n.t.audit;
  const row = (name: string, of: (gathering: Gathering) => number): Row => ({
    name,
    then: then ? number(of(then)) : none,
    now: now ? number(of(now)) : none,
    difference: then && now ? signed(of(now) - of(then)) : none,
  });
  const capacity = (gathering: Gathering | null): string => {
    if (!gathering) return none;
    return gathering.capacity ? number(gathering.capacity) : t.unlimited;
  };
  return [
    row(t.inside, (gathering) => gathering.inside_count),
    row(t.checkedIn, (gathering) => gathering.checked_in_count),
    row(t.registered, (gathering) => gathering.participant_count),
    { name: t.capacity, then: capacity(then), now: capacity(now), difference: '' },
  ];
}

export function personRows({ then, now }: Pair<Participant>, zone: string): Row[] {
  const t = i18n.t.audit.asOf;
  const { yes, no, none, statuses } = i18n.t.audit;
  const row = (name: string, of: (person: Participant) => string): Row => ({
    name,
    then: then ? of(then) : none,
    now: now ? of(now) : none,
  });
  const when = (time: string | null | undefined): string => (time ? moment(time, zone) : none);
  return [
    row(t.status, (person) => statuses[person.status]),
    row(t.isInside, (person) => (person.checked_in ? yes : no)),
    row(t.timesIn, (person) => number(person.entries)),
    row(t.cameIn, (person) => when(person.check_in_time)),
    row(t.wentOut, (person) => when(person.check_out_time)),
    row(t.lastGate, (person) => person.last_gate ?? none),
  ];
}

/** Empty of who has been erased. */
export function nameOf({ then, now }: Pair<Participant>): string {
  const user = (now ?? then)?.user;
  return [user?.first_name, user?.last_name].filter(Boolean).join(' ');
}

function signed(change: number): string {
  return change > 0 ? `+${number(change)}` : number(change);
}
