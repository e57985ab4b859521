// The types of doorbook-stream.js, and of the messages of doorbook's live streams. A later server may send
// more fields, and types that are not here: ignore them.

/** RFC 3339, UTC, with `Z`. */
export type Timestamp = string;
/** Position of an event in the log. */
export type Offset = number;
/** Opaque; goes back in as `from`. */
export type Cursor = string;

export interface Participant {
  id: string;
  event_id: string;
  event_pax_id: string;
  user: { first_name: string | null; last_name: string | null; email: string | null };
  ticket_type: string | null;
  external_id: string | null;
  note: string | null;
  status: 'registered' | 'cancelled' | 'erased';
  /** Inside now. */
  checked_in: boolean;
  check_in_time: Timestamp | null;
  check_out_time: Timestamp | null;
  last_gate: string | null;
  entries: number;
  offset: Offset;
}

/** A gathering; the fields that every server sends. */
export interface Gathering {
  id: string;
  name: string;
  start_date: Timestamp;
  end_date: Timestamp | null;
  time_zone: string;
  capacity: number | null;
  participant_count: number;
  checked_in_count: number;
  inside_count: number;
}

export interface Occupancy {
  inside: number;
  checked_in: number;
  registered: number;
  capacity: number | null;
}

/** What was unusual about a scan that was recorded all the same. */
export interface ScanWarning {
  /** The refusal code of the rule, or `over_capacity`, `overridden`, `device_gap`, `clock_ahead`. */
  code: string;
  detail: string;
  /** Of `overridden`: the refusal. */
  rule?: string;
  /** Of `device_gap`: the device's last scan that arrived before this one, and this one. */
  last_seq?: number;
  this_seq?: number;
}

/** First message of a gathering's stream, when no start was asked for or it could not be honoured. */
export interface CheckinInitialData {
  type: 'initial_data';
  event: Gathering;
  participants: Participant[];
  /** Only the first 5,000 are here; the rest is read by HTTP. */
  participants_truncated?: true;
  cursor: Cursor;
}

/** The same of the dashboard. */
export interface DashboardInitialData {
  type: 'initial_data';
  events: Gathering[];
  events_truncated?: true;
  cursor: Cursor;
}

export interface ScanUpdate {
  type: 'checkin_update' | 'checkout_update';
  participant: Participant;
  action: 'checkin' | 'checkout';
  timestamp: Timestamp;
  gate: string | null;
  offset: Offset;
  occupancy: Occupancy;
  /** What an offline fact broke, among others. */
  warnings: ScanWarning[];
}

export interface ParticipantRegistered {
  type: 'participant_registered';
  participant: Participant;
  timestamp: Timestamp;
  offset: Offset;
  occupancy: Occupancy;
}

export interface ParticipantUpdated {
  type: 'participant_updated';
  participant: Participant;
  reason: 'undone' | 'cancelled' | 'erased' | (string & {});
  timestamp: Timestamp;
  offset: Offset;
  occupancy: Occupancy;
}

export interface ScanRefused {
  type: 'scan_refused';
  /** Null: the ticket is another gathering's. */
  participant: Participant | null;
  code: string;
  previous: { at: Timestamp; gate: string | null; device: string | null; by: string | null } | null;
  gate: string | null;
  timestamp: Timestamp;
  offset: Offset;
  action: 'checkin' | 'checkout';
  warnings: ScanWarning[];
}

export interface EventUpdate {
  type: 'event_update';
  event_id: string;
  /** The type of the history entry: `participant_checked_in`, `gathering_changed` … */
  update_type: string;
  data: {
    participant_id?: string;
    /** Whose place on the service team changed, and to what; null: no longer on it. */
    user_id?: string;
    door_role?: 'steward' | 'supervisor' | null;
    /** Which door token was minted or revoked. */
    jti?: string;
  };
  counts: { registered: number; checked_in: number; inside: number };
  timestamp: Timestamp;
  offset: Offset;
}

/** Answer to `{type: 'get_participants'}`. */
export interface Participants {
  type: 'participants';
  participants: Participant[];
  cursor: Cursor;
}

/**
 * What was received no longer counts: drop it, `initial_data` follows. `start_ignored` is this client's own
 * word: a snapshot came where a replay was asked for.
 */
export interface Reset {
  type: 'reset';
  reason: 'log_changed' | 'ahead' | 'view_changed' | 'start_ignored' | (string & {});
}

export type EventMessage = ScanUpdate | ParticipantRegistered | ParticipantUpdated | ScanRefused | EventUpdate;

/** What the handler is given. There may be types that are not here: ignore them (`default:` in a switch). */
export type StreamMessage = CheckinInitialData | DashboardInitialData | EventMessage | Participants | Reset;

/**
 * `connecting`: no connection, or one that has not said anything · `catching_up`: what is handed over is the past
 * · `live`: what has been handed over is the present · `stale`: nothing was heard for too long · `closed`: for good,
 * until `open()`.
 */
export type StreamState = 'connecting' | 'catching_up' | 'live' | 'stale' | 'closed';

export interface StreamStatus {
  state: StreamState;
  /** When something last came in, ms since 1970. */
  lastHeardAt?: number;
  /** When what the handler has was last known to be all there is, ms since 1970. */
  asOf?: number;
  /** When the next attempt is made, ms since 1970. */
  retryAt?: number;
  /** Of `closed`. `refused` has the HTTP status as `code`; `close_code` and `token_expired` the close code. */
  reason?: 'not_opened' | 'closed_here' | 'close_code' | 'token_expired' | 'refused' | 'no_token' | 'not_connectable';
  code?: number;
}

/** What went wrong, and has been dealt with; for a log or a counter. */
export type StreamProblem =
  /** The promise was broken; the stream reconnects by its own cursor. */
  | { kind: 'not_understood' | 'no_snapshot' | 'log_changed' | 'start_ignored' }
  | { kind: 'went_back' | 'gap' | 'gap_confirmed'; expected: Offset; offset: Offset }
  | { kind: 'silence' | 'connect_timeout' }
  | { kind: 'refused'; status: number }
  /** The server did not like what we sent, such as a renewed token. */
  | { kind: 'server_error'; code: string; message: string }
  | { kind: 'handler_failed' | 'no_identity' | 'not_connectable'; error: unknown };

export interface StreamCounters {
  /** Messages that the handler has taken. */
  delivered: number;
  /** Messages that had been taken before, and were dropped. */
  repeats: number;
  /** Missing offsets that the server confirmed (`contiguous` only). */
  gaps: number;
  /** Broken promises, each answered with a new connection. */
  faults: number;
  /** Connections that were opened. */
  connections: number;
}

/** `expired`: the last token was refused or has run out. `expiring`: it will within a minute. */
export interface IdentityRequest {
  reason: 'connect' | 'expiring' | 'expired';
}

export interface StreamOptions {
  /** Where doorbook is: `https://door.example.org`, with a path when it is below one. Default in a browser: the page's own. */
  url?: string | URL;
  /** The gathering; without it the stream is the dashboard. */
  eventId?: string;
  /** Where to start: a cursor, an offset (everything after it), `earliest` or `latest`. Without: a snapshot. */
  from?: Cursor | Offset | 'earliest' | 'latest';

  /**
   * Takes each message, once, in order, one at a time: the next waits until the promise is settled. Where it
   * throws, the connection is given up, and the message comes again.
   */
  onMessage(message: StreamMessage, context: { live: boolean }): unknown;
  onStatus?(status: StreamStatus): void;
  onProblem?(problem: StreamProblem): void;

  /** Gives a JWT; null ends the stream. Without it, and without `getTicket`, the session cookie counts. */
  getToken?(request: IdentityRequest): string | null | Promise<string | null>;
  /** Gives a ticket of `POST /api/session/ticket/`, for each connection; null ends the stream. */
  getTicket?(request: IdentityRequest): string | null | Promise<string | null>;

  /** The caller may see every event of this stream, so that each offset must be the one after the last. */
  contiguous?: boolean;
  /** The server's interval between heartbeats. Default 25,000. */
  heartbeatMs?: number;

  /** Node before 22: the one of the npm package `ws`. */
  WebSocket?: new (url: string, protocols?: string[]) => any;
  fetch?: typeof globalThis.fetch;
  clock?: {
    now?(): number;
    monotonic?(): number;
    random?(): number;
    setTimeout?(call: () => void, delayMs: number): any;
    clearTimeout?(timer: any): void;
  };
}

export class DoorbookStream {
  constructor(options: StreamOptions);
  /** Opens the stream, or opens it again after `close()` where it was. */
  open(): this;
  /** Ends the stream; nothing is handed over any more. */
  close(): void;
  /** Sends `get_participants` or `ping`; false when there is no connection. `resume` is the stream's own to send. */
  send(message: { type: string; [field: string]: unknown }): boolean;
  /** Everything up to here has been taken by the handler. */
  get cursor(): Cursor | undefined;
  get status(): StreamStatus;
  get counters(): StreamCounters;
}
