// What a record's own bytes say of the entry: all that is not sealed. So the page can compare what the
// server shows with what is proven, and tell of a record that came as a file.
//
// The layout is the server's (`src/events/codec.rs`, `stored.rs`), which is frozen for each schema. Of types
// or schemas that this page does not know, the header is read alone.

import type { Bytes } from './base64';
import { Reader } from './reader';
import { Fault } from './reasons';

/** The fields of a history entry that are in clear in its record, by the names that the API gives them. */
export interface RecordFields {
  offset: bigint;
  event_id: string | null;
  type: string;
  occurred_at: string;
  recorded_at: string;
  actor: string;
  actor_role: string;
  participant_id?: string | null;
  event_pax_id?: string | null;
  outcome?: string | null;
  code?: string | null;
  gate?: string | null;
  device?: string | null;
  device_seq?: bigint | null;
  mode?: string | null;
  scan_id?: string | null;
  undoes?: bigint | null;
  team_member?: string | null;
  team_member_role?: string | null;
  door_token?: string | null;
  accessed?: string | null;
  accessed_format?: string | null;
}

const LAYOUT = 1;
const SCHEMA = 1;
const HAS = { causation: 1, command: 2, actorName: 4 };
/** The gathering of what is about the log as a whole. */
const HOUSE = '00000000-0000-0000-0000-000000000000';
const WARNING_OF_A_RULE = 1;

/** Throws a {@link Fault}: `record_unreadable`. */
export function readRecord(bytes: Bytes): RecordFields {
  const reader = new Reader(bytes);
  if (reader.long() !== bytes.length || reader.byte() !== LAYOUT)
    throw new Fault('record_unreadable');
  const flags = reader.byte();
  const [type, schema] = [reader.short(), reader.short()];
  const role = reader.word(ROLES);
  if (reader.byte() !== 0) throw new Fault('record_unreadable');
  const offset = reader.offset();
  reader.bytes(16);
  const gathering = reader.uuid();
  const [recorded_at, occurred_at] = [reader.moment(), reader.moment()];
  reader.bytes(16);
  const [actorLength, payloadLength] = [reader.short(), reader.long()];
  const actor = reader.text(actorLength);
  const command = readBeforePayload(reader, flags);
  if (reader.left !== payloadLength) throw new Fault('record_unreadable');
  return {
    offset,
    event_id: gathering === HOUSE ? null : gathering,
    type: TYPES[type] ?? `type ${type}`,
    occurred_at,
    recorded_at,
    actor,
    actor_role: role,
    ...(schema === SCHEMA ? readPayload(reader, TYPES[type], command) : {}),
  };
}

/** Causation, command and the sealed name; gives the command's id, which a scan shows as its own. */
function readBeforePayload(reader: Reader, flags: number): string | null {
  let command: string | null = null;
  if (flags & HAS.causation) reader.bytes(16);
  if (flags & HAS.command) {
    command = reader.text(reader.short());
    reader.bytes(16);
  }
  if (flags & HAS.actorName) reader.bytes(reader.short());
  return command;
}

type Payload = Partial<RecordFields>;

function readPayload(
  reader: Reader,
  type: string | null | undefined,
  scan_id: string | null,
): Payload {
  switch (type) {
    case 'participant_registered':
    case 'registration_cancelled':
    case 'participant_erased':
      return readSubject(reader);
    case 'participant_checked_in':
      return { ...readScan(reader), scan_id, outcome: 'admitted' };
    case 'participant_checked_out':
      return { ...readScan(reader), scan_id, outcome: 'exited' };
    case 'scan_refused':
      return { ...readScan(reader), scan_id, outcome: 'refused', ...readRefusal(reader) };
    case 'scan_undone':
      return { ...readSubject(reader), undoes: reader.offset() };
    case 'service_team_changed':
      return readTeam(reader);
    case 'door_token_minted':
    case 'door_token_revoked':
      return { door_token: reader.uuid() };
    case 'personal_data_accessed':
      return readAccess(reader);
    default:
      return {};
  }
}

function readSubject(reader: Reader): Payload {
  return { participant_id: reader.uuid(), event_pax_id: reader.text(reader.counted()) };
}

function readScan(reader: Reader): Payload {
  const subject = readSubject(reader);
  const gate = reader.optional(() => reader.text(reader.counted()));
  const device = reader.optional(() => reader.text(reader.counted()));
  const device_seq = reader.optional(() => reader.offset());
  const mode = reader.word(MODES);
  const broken = readWarnings(reader);
  const overridden = reader.optional(() => reader.word(REFUSALS));
  reader.optional(() => reader.bytes(reader.counted()));
  return { ...subject, gate, device, device_seq, mode, code: overridden ?? broken };
}

/** The first rule that was broken, where one was. */
function readWarnings(reader: Reader): string | null {
  let broken: string | null = null;
  for (let left = reader.counted(); left > 0; left--) {
    const [kind, rule] = [reader.byte(), reader.byte()];
    reader.bytes(16);
    if (kind === WARNING_OF_A_RULE) broken ??= REFUSALS[rule] ?? null;
  }
  return broken;
}

function readRefusal(reader: Reader): Payload {
  reader.byte();
  return { code: reader.word(REFUSALS) };
}

function readTeam(reader: Reader): Payload {
  const team_member = reader.text(reader.counted());
  return { team_member, team_member_role: reader.optional(() => reader.word(DOOR_ROLES)) };
}

function readAccess(reader: Reader): Payload {
  const accessed = reader.word(ACCESSED);
  const subject = reader.optional(() => readSubject(reader));
  const accessed_format = reader.optional(() => reader.word(FORMATS));
  return { participant_id: null, event_pax_id: null, ...subject, accessed, accessed_format };
}

// Words by their numbers on disk, which begin at 1 and are never reused.
const TYPES = [
  null,
  'gathering_created',
  'gathering_changed',
  'service_team_changed',
  'participant_registered',
  'participant_checked_in',
  'participant_checked_out',
  'scan_refused',
  'scan_undone',
  'registration_cancelled',
  'participant_erased',
  'door_token_minted',
  'door_token_revoked',
  'personal_data_accessed',
] as const;
const ROLES = [
  null,
  'superuser',
  'creator',
  'supervisor',
  'steward',
  'user',
  'operator',
  'auditor',
] as const;
const DOOR_ROLES = [null, 'steward', 'supervisor'] as const;
const MODES = [null, 'online', 'offline_fact'] as const;
const REFUSALS = [
  null,
  'unknown_code',
  'wrong_event',
  'already_checked_in',
  'not_checked_in',
  'reentry_denied',
  'cancelled',
  'erased',
  'not_open_yet',
  'closed',
  'capacity_full',
] as const;
const ACCESSED = [
  null,
  'participants',
  'participant',
  'history',
  'live_stream',
  'person_export',
  'history_export',
  'log',
] as const;
const FORMATS = [null, 'json', 'ndjson', 'csv', 'xlsx'] as const;
