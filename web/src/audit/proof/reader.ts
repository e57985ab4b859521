// Reads the little-endian fields of a record's bytes one after the other. What they mean is in `record`.

import type { Bytes } from './base64';
import { hex } from './key';
import { Fault } from './reasons';

export class Reader {
  #at = 0;
  readonly #bytes: Bytes;
  readonly #view: DataView;

  constructor(bytes: Bytes) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** Throws a {@link Fault}: `record_unreadable`, as all of these do. */
  bytes(length: number): Bytes {
    return this.#bytes.slice(this.#take(length), this.#at);
  }

  byte(): number {
    return this.#view.getUint8(this.#take(1));
  }

  short(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  long(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  offset(): bigint {
    return this.#view.getBigUint64(this.#take(8), true);
  }

  /** As RFC 3339 with microseconds, as the server writes it. */
  moment(): string {
    const micros = this.#view.getBigInt64(this.#take(8), true);
    const rest = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
    const date = new Date(Number((micros - rest) / 1000n));
    if (Number.isNaN(date.getTime())) throw new Fault('record_unreadable');
    return date.toISOString().replace(/\.\d+Z$/, `${fraction(rest)}Z`);
  }

  uuid(): string {
    const digits = hex(this.bytes(16));
    return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  }

  text(length: number): string {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.bytes(length));
    } catch {
      throw new Fault('record_unreadable');
    }
  }

  /** A text, or other bytes, behind its length in eight bytes. */
  counted(): number {
    const length = this.offset();
    if (length > BigInt(this.left)) throw new Fault('record_unreadable');
    return Number(length);
  }

  /** What follows, when it is there. */
  optional<T>(read: () => T): T | null {
    const there = this.byte();
    if (there > 1) throw new Fault('record_unreadable');
    return there === 1 ? read() : null;
  }

  /** What a number stands for. */
  word<T extends string>(words: readonly (T | null)[]): T {
    const word = words[this.byte()];
    if (!word) throw new Fault('record_unreadable');
    return word;
  }

  #take(length: number): number {
    if (length > this.left) throw new Fault('record_unreadable');
    const at = this.#at;
    this.#at += length;
    return at;
  }
}

/** As many digits as there are: none, three or six. */
function fraction(micros: bigint): string {
  if (micros === 0n) return '';
  const digits = micros.toString().padStart(6, '0');
  return `.${digits.endsWith('000') ? digits.slice(0, 3) : digits}`;
}
