// Which people the list shows, and what there is to choose from. Pure; the panel draws it.

import type { Participant } from '../../api/client';
import { standingOf, type Standing } from './standing';

/** A name that no gate and no ticket type has: those without one. */
export const WITHOUT = '\u0001';

export interface Filter {
  standing: Standing | 'all';
  /** Last gate; empty: any. */
  gate: string;
  /** Empty: any; `WITHOUT`: those that have none. */
  ticketType: string;
}

export const EVERYBODY: Filter = { standing: 'all', gate: '', ticketType: '' };

export function isEverybody(filter: Filter): boolean {
  return filter.standing === 'all' && filter.gate === '' && filter.ticketType === '';
}

export function fits(filter: Filter): (row: Participant) => boolean {
  const { standing, gate, ticketType } = filter;
  const type = ticketType === WITHOUT ? null : ticketType;
  return (row) =>
    (standing === 'all' || standingOf(row) === standing) &&
    (gate === '' || row.last_gate === gate) &&
    (ticketType === '' || (row.ticket_type ?? null) === type);
}

export interface Choices {
  gates: string[];
  /** With `WITHOUT` last, where somebody has no type and others have one. */
  ticketTypes: string[];
}

export function choicesOf(rows: readonly Participant[]): Choices {
  const gates = new Set<string>();
  const types = new Set<string>();
  let isAnyWithout = false;
  for (const row of rows) {
    if (row.last_gate) gates.add(row.last_gate);
    if (row.ticket_type) types.add(row.ticket_type);
    else isAnyWithout = true;
  }
  const ticketTypes = sorted(types);
  if (isAnyWithout && ticketTypes.length > 0) ticketTypes.push(WITHOUT);
  return { gates: sorted(gates), ticketTypes };
}

/** The same choices keep their object, so that nothing is drawn anew for them. */
export function sameChoices(before: Choices, after: Choices): boolean {
  return (
    before.gates.join('\u0002') === after.gates.join('\u0002') &&
    before.ticketTypes.join('\u0002') === after.ticketTypes.join('\u0002')
  );
}

function sorted(names: Set<string>): string[] {
  return [...names].sort((a, b) => a.localeCompare(b));
}
