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
import type { Gathering, HistoryEntry, Occupancy, Participant } from '../api/client';
import { People } from './people';

/** Most lines that are kept. */
export const SCANS_MAX = 200;

/** One thing that happened at a door or a desk. */
export interface ScanLine {
  offset: number;
  kind: 'in' | 'out' | 'refused' | 'registered' | 'updated';
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
  /** Newest first. */
  scans: ScanLine[] = [];
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
    this.#line({ ...lineOf(message), kind: 'registered' });
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
  }

  /** Puts lines of the history below those that the stream has brought. */
  fillScans(lines: ScanLine[]): void {
    const oldest = this.scans.at(-1)?.offset ?? Infinity;
    const older = lines.filter((line) => line.offset < oldest);
    this.scans = [...this.scans, ...older].slice(0, SCANS_MAX);
  }
}

/** The offset in a cursor, `"<epoch>:<offset>"`. */
export function offsetOf(cursor: string): number {
  return Number(cursor.slice(cursor.lastIndexOf(':') + 1)) || 0;
}

/** A history entry as a line; null where it is nothing that happened to somebody. */
export function lineOfEntry(entry: HistoryEntry, people: People): ScanLine | null {
  const kinds: Record<string, ScanLine['kind']> = {
    participant_checked_in: 'in',
    participant_checked_out: 'out',
    scan_refused: 'refused',
    participant_registered: 'registered',
    scan_undone: 'updated',
    registration_cancelled: 'updated',
    participant_erased: 'updated',
  };
  const reasons: Record<string, string> = {
    scan_undone: 'undone',
    registration_cancelled: 'cancelled',
    participant_erased: 'erased',
  };
  const kind = kinds[entry.type];
  if (!kind) return null;
  return {
    offset: entry.offset,
    kind,
    at: entry.occurred_at,
    gate: entry.gate ?? null,
    participant: (entry.participant_id && people.get(entry.participant_id)) || null,
    code: entry.code ?? reasons[entry.type] ?? null,
    warnings: [],
    previous: null,
  };
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
