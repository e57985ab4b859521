// Signed notes (c2sp.org/signed-note): a text, an empty line, and signatures, of which those of one
// Ed25519 key are checked by WebCrypto. Knows nothing of what a note says.

import { decodeBase64, type Bytes } from './base64';
import { equal } from './hashes';
import { isName, type VerifierKey } from './key';
import { Fault } from './reasons';

export interface Note {
  /** What is signed, with its last line break. */
  text: string;
  signatures: Signature[];
}

interface Signature {
  name: string;
  keyId: Bytes;
  bytes: Bytes;
}

/** A note with more signatures is not read. */
const SIGNATURES_MAX = 100;
/** Begins a signature line: an em dash and a space. */
const BEGINS = '— ';
const KEY_ID_BYTES = 4;
/** A note has none but line breaks. */
const CONTROL = /[\u0000-\u0009\u000b-\u001f]/;

/** Throws a {@link Fault}: `not_a_note`. */
export function parseNote(note: string): Note {
  const end = note.lastIndexOf('\n\n');
  if (end < 0 || !note.endsWith('\n') || CONTROL.test(note)) throw new Fault('not_a_note');
  const lines = note.slice(end + 2, -1).split('\n');
  if (lines.length > SIGNATURES_MAX) throw new Fault('not_a_note');
  return { text: note.slice(0, end + 1), signatures: lines.map(signature) };
}

/** Throws a {@link Fault}: `not_signed_by_key` or `bad_signature`. Others' signatures are passed over. */
export async function checkSigned(note: Note, key: VerifierKey): Promise<void> {
  const ours = note.signatures.filter(
    ({ name, keyId }) => name === key.name && equal(keyId, key.id),
  );
  if (ours.length === 0) throw new Fault('not_signed_by_key');
  const text = new TextEncoder().encode(note.text);
  const imported = await importKey(key);
  for (const { bytes } of ours) {
    if (!(await crypto.subtle.verify('Ed25519', imported, bytes, text))) {
      throw new Fault('bad_signature');
    }
  }
}

function signature(line: string): Signature {
  const [name = '', base64 = '', ...rest] = line.slice(BEGINS.length).split(' ');
  const bytes = decodeBase64(base64);
  if (!line.startsWith(BEGINS) || rest.length > 0 || !isName(name) || !bytes) {
    throw new Fault('not_a_note');
  }
  if (bytes.length < KEY_ID_BYTES) throw new Fault('not_a_note');
  return { name, keyId: bytes.slice(0, KEY_ID_BYTES), bytes: bytes.slice(KEY_ID_BYTES) };
}

async function importKey({ key }: VerifierKey): Promise<CryptoKey> {
  try {
    return await crypto.subtle.importKey('raw', key, 'Ed25519', false, ['verify']);
  } catch {
    // Some browsers look at once whether it is a point of the curve.
    throw new Fault('not_a_key');
  }
}
