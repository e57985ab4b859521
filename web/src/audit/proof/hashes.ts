// SHA-256 by WebCrypto, and the two ways in which RFC 6962 uses it: for leaves and for the nodes above
// them. What a tree makes of such hashes is in `tree`.

import { decodeBase64, type Bytes } from './base64';

export const HASH_BYTES = 32;

/** The root of a tree without leaves: SHA-256 of nothing. */
export const EMPTY_ROOT: Bytes =
  decodeBase64('47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=') ?? new Uint8Array(0);

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export function leafHash(record: Bytes): Promise<Bytes> {
  return sha256(LEAF, record);
}

export function nodeHash(left: Bytes, right: Bytes): Promise<Bytes> {
  return sha256(NODE, left, right);
}

export async function sha256(...parts: Bytes[]): Promise<Bytes> {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return new Uint8Array(await crypto.subtle.digest('SHA-256', whole));
}

export function equal(one: Bytes, other: Bytes): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

/** A hash as it stands in notes and proofs. */
export function parseHash(text: string): Bytes | null {
  const bytes = decodeBase64(text);
  return bytes?.length === HASH_BYTES ? bytes : null;
}
