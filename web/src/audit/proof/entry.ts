// Whether an entry as the server shows it is the one that its record tells of. Names and reasons are
// sealed in the record, so of these nothing can be said.

import type { RecordFields } from './record';

/** A history entry of the API, as far as it is compared. */
export interface ShownEntry {
  offset: number;
  event_id?: string | null;
  participant_id?: string | null;
  event_pax_id?: string | null;
  type: string;
  outcome?: string | null;
  code?: string | null;
  occurred_at: string;
  recorded_at: string;
  actor: { id: string; role: string };
  gate?: string | null;
  device?: string | null;
  device_seq?: number | null;
  mode?: string | null;
  scan_id?: string | null;
  undoes?: number | null;
  team_member?: { user_id: string; door_role?: string | null } | null;
  door_token?: { jti: string } | null;
  accessed?: { what: string; format?: string | null } | null;
}

/** One line for each field that the record says otherwise: its name, what is shown, what is proven. */
export function differences(shown: ShownEntry, record: RecordFields): string[] {
  const fields = flat(shown);
  return Object.entries(record)
    .map(([name, proven]) => ({ name, shown: written(fields[name]), proven: written(proven) }))
    .filter((field) => field.shown !== field.proven)
    .map((field) => `${field.name}: ${field.shown || '–'} ≠ ${field.proven || '–'}`);
}

function flat(shown: ShownEntry): Record<string, unknown> {
  return {
    ...shown,
    actor: shown.actor.id,
    actor_role: shown.actor.role,
    team_member: shown.team_member?.user_id,
    team_member_role: shown.team_member?.door_role,
    door_token: shown.door_token?.jti,
    accessed: shown.accessed?.what,
    accessed_format: shown.accessed?.format,
  };
}

function written(value: unknown): string {
  return value === null || value === undefined ? '' : String(value);
}
