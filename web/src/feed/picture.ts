// What is known of one gathering at one moment: folded from the messages of a stream, live or replayed. No
// network and no clock here. Counts are the server's own: nothing is counted by adding one.

import type {
  CheckinInitialData,
  ParticipantRegistered,
  ParticipantUpdated,
  ScanRefused,
  ScanUpdate,
  StreamMessage,
} from 'doorbook-stream';
import type { Gathering, Occupancy, Participant } from '../api/client';
import { People } from './people';

/** Most lines that are kept, of all scans and of those to be looked at. */
export const SCANS_MAX = 200;

/** One thing that happened at a door or a desk. */
export interface ScanLine {
  offset: number;
  kind: 'in' | 'out' | 'refused' | 'updated';
  at: string;
  gate: string | null;
  /** Null: a ticket of another gathering. */
  participant: Participant | null;
  /** Of a refusal: its code; of an update: `undone`, `cancelled`, `erased`. */
  code: string | null;
  /** Codes of what is to be looked at: conflicts of offline scans, clocks that are wrong. */
  warnings: string[];
  previous: ScanRefused['previous'];
}

export class Picture {
  gathering: Gathering | null = null;
  occupancy: Occupancy | null = null;
  /** Everything up to here is in it. */
  offset = 0;
  /** When its last event happened. */
  at: string | null = null;
  people = new People();
  /** Newest first. Registrations are no scans: an import would push out what happens at the doors. */
  scans: ScanLine[] = [];
  /** Those of them that somebody should look at, newest first: in a rush they would soon be pushed out. */
  alerts: ScanLine[] = [];
  /** Names of who did something, by their id, as far as they are known. */
  actors = new Map<string, string>();
  /** Grows with each event after which the arrivals by gate may differ. */
  arrivalsRevision = 0;
  /** Grows with each event that changes the gathering itself: its name, capacity, times. */
  gatheringRevision = 0;

  clear(): void {
    this.gathering = null;
    this.occupancy = null;
    this.offset = 0;
    this.at = null;
    this.people.clear();
    this.scans = [];
    this.alerts = [];
    this.arrivalsRevision += 1;
  }

  /** The gathering as the API gives it. */
  describe(gathering: Gathering): void {
    this.gathering = gathering;
    if (gathering.offset >= this.offset || this.occupancy === null) {
      this.occupancy = {
        registered: gathering.participant_count,
        checked_in: gathering.checked_in_count,
        inside: gathering.inside_count,
        capacity: gathering.capacity ?? null,
      };
      this.offset = Math.max(this.offset, gathering.offset);
    }
  }

  /** Takes one message of a stream of this gathering. */
  apply(message: StreamMessage): void {
    switch (message.type) {
      case 'reset':
        this.clear();
        return;
      case 'initial_data':
        if ('event' in message) this.#begin(message);
        return;
      case 'participants':
        this.people.putAll(message.participants as Participant[]);
        return;
      case 'checkin_update':
      case 'checkout_update':
        this.#scan(message);
        break;
      case 'participant_registered':
        this.#registered(message);
        break;
      case 'participant_updated':
        this.#updated(message);
        break;
      case 'scan_refused':
        this.#refused(message);
        break;
      case 'event_update':
        this.#count({ ...message.counts, capacity: this.occupancy?.capacity ?? null });
        this.gatheringRevision += 1;
        break;
      default:
        return;
    }
    this.offset = message.offset;
    this.at = message.timestamp;
  }

  #begin(message: CheckinInitialData): void {
    this.describe(message.event as Gathering);
    this.people.putAll(message.participants as Participant[]);
    this.offset = offsetOf(message.cursor);
    this.arrivalsRevision += 1;
  }

  #scan(message: ScanUpdate): void {
    this.#take(message.participant);
    this.#count(message.occupancy);
    this.arrivalsRevision += 1;
    this.#line({
      ...lineOf(message),
      kind: message.action === 'checkin' ? 'in' : 'out',
      gate: message.gate,
      warnings: warningCodes(message),
    });
  }

  #registered(message: ParticipantRegistered): void {
    this.#take(message.participant);
    this.#count(occupancyOf(message));
  }

  #updated(message: ParticipantUpdated): void {
    this.#take(message.participant);
    this.#count(occupancyOf(message));
    this.arrivalsRevision += 1;
    this.#line({ ...lineOf(message), kind: 'updated', code: message.reason });
  }

  #refused(message: ScanRefused): void {
    if (message.participant) this.#take(message.participant);
    this.#line({
      ...lineOf(message),
      kind: 'refused',
      gate: message.gate,
      code: message.code,
      previous: message.previous,
      warnings: warningCodes(message),
    });
  }

  #take(participant: unknown): void {
    if (participant) this.people.put(participant as Participant);
  }

  #count(occupancy: Occupancy | null): void {
    if (occupancy) this.occupancy = occupancy;
  }

  #line(line: ScanLine): void {
    this.scans = [line, ...this.scans.slice(0, SCANS_MAX - 1)];
    if (isAlert(line)) this.alerts = [line, ...this.alerts.slice(0, SCANS_MAX - 1)];
  }

  /** Puts lines of the history, newest first, below those that the stream has brought. */
  fillScans(lines: ScanLine[]): void {
    this.scans = below(this.scans, lines);
    this.alerts = below(this.alerts, lines.filter(isAlert));
  }
}

/** Whether somebody should look at it: a refusal, or a scan with a warning, such as a conflict. */
export function isAlert(line: ScanLine): boolean {
  return line.kind === 'refused' || line.warnings.length > 0;
}

/** The offset in a cursor, `"<epoch>:<offset>"`. */
export function offsetOf(cursor: string): number {
  return Number(cursor.slice(cursor.lastIndexOf(':') + 1)) || 0;
}

function lineOf(message: {
  offset: number;
  timestamp: string;
  participant: unknown;
}): Omit<ScanLine, 'kind'> {
  return {
    offset: message.offset,
    at: message.timestamp,
    gate: null,
    participant: (message.participant as Participant | null) ?? null,
    code: null,
    warnings: [],
    previous: null,
  };
}

function occupancyOf(message: object): Occupancy | null {
  return 'occupancy' in message ? (message.occupancy as Occupancy) : null;
}

function warningCodes(message: object): string[] {
  if (!('warnings' in message) || !Array.isArray(message.warnings)) return [];
  return message.warnings.map((warning: { code: string }) => warning.code);
}

/** Older lines go below; the stream may have brought some of them already. */
function below(lines: ScanLine[], older: ScanLine[]): ScanLine[] {
  const oldest = lines.at(-1)?.offset ?? Infinity;
  return [...lines, ...older.filter((line) => line.offset < oldest)].slice(0, SCANS_MAX);
}
