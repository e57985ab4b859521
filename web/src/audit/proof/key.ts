// Verifier keys as text, `NAME+1a2b3c4d+BASE64`, after c2sp.org/signed-note: whose signature it is, and
// what checks it.

import { decodeBase64, type Bytes } from './base64';
import { sha256 } from './hashes';
import { Fault } from './reasons';

export interface VerifierKey {
  name: string;
  /** The first bytes of a hash over name and key, by which signatures say which key made them. */
  id: Bytes;
  /** Ed25519. */
  key: Bytes;
  text: string;
}

/** The type of Ed25519 keys and signatures. */
const ED25519 = 1;
const KEY_BYTES = 32;
const ID = /^[0-9a-f]{8}$/;

/** Throws a {@link Fault}: `not_a_key`, or `key_id_differs` where a part of it was changed. */
export async function parseKey(said: string): Promise<VerifierKey> {
  const text = said.trim();
  const [name = '', id = '', ...rest] = text.split('+');
  // The base64 may hold a plus, too.
  const bytes = decodeBase64(rest.join('+'));
  if (!isName(name) || !ID.test(id) || bytes?.[0] !== ED25519 || bytes.length !== KEY_BYTES + 1) {
    throw new Fault('not_a_key');
  }
  const hashed = await sha256(new TextEncoder().encode(`${name}\n`), bytes);
  const computed = hashed.slice(0, 4);
  if (hex(computed) !== id) throw new Fault('key_id_differs');
  return { name, id: computed, key: bytes.slice(1), text };
}

/** Whether it looks like one, for telling files apart. */
export function looksLikeKey(text: string): boolean {
  return /^[^\s+]+\+[0-9A-Fa-f]{8}\+[A-Za-z0-9+/=]+$/.test(text.trim());
}

export function isName(name: string): boolean {
  return name !== '' && !/[\s+]/u.test(name);
}

export function hex(bytes: Bytes): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
