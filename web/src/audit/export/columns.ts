// The columns that an export can have, in the order in which a file has them, and its address.

import type { Query } from '../history/read';

export const COLUMNS = [
  'offset',
  'event_id',
  'participant_id',
  'event_pax_id',
  'type',
  'outcome',
  'code',
  'occurred_at',
  'recorded_at',
  'actor_id',
  'actor_name',
  'actor_role',
  'gate',
  'device',
  'device_seq',
  'scan_id',
  'mode',
  'reason',
  'undone_by',
  'undoes',
  'team_member',
  'team_member_role',
  'door_token',
  'door_token_name',
  'door_token_role',
  'door_token_expires_at',
  'accessed',
  'accessed_format',
  'first_name',
  'last_name',
  'email',
] as const;

export type Column = (typeof COLUMNS)[number];
export const FORMATS = ['csv', 'xlsx', 'ndjson'] as const;
export type Format = (typeof FORMATS)[number];

const PEOPLE: readonly Column[] = ['first_name', 'last_name', 'email'];

/** Whether a column says who a guest is: such are in a file only when asked for. */
export function namesPeople(column: Column): boolean {
  return PEOPLE.includes(column);
}

export const USUAL: readonly Column[] = COLUMNS.filter((column) => !namesPeople(column));

export interface Shape {
  format: Format;
  columns: readonly Column[];
  zone: string;
  bom: boolean;
  trailer: boolean;
}

/** Where the file is. What is as the server would have it anyway is left out. */
export function exportHref(id: string | null, filters: Query, shape: Shape): string {
  const query = new URLSearchParams({ ...filters, format: shape.format });
  if (!isUsual(shape.columns)) query.set('columns', shape.columns.join(','));
  if (shape.format !== 'ndjson' && shape.zone !== 'UTC') query.set('tz', shape.zone);
  if (shape.format === 'csv' && shape.bom) query.set('bom', 'true');
  if (shape.format !== 'xlsx' && !shape.trailer) query.set('trailer', 'false');
  const path = id === null ? '/api/history' : `/api/events/${id}/history`;
  return `${path}?${query.toString()}`;
}

function isUsual(columns: readonly Column[]): boolean {
  return columns.join() === USUAL.join();
}
