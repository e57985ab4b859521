// Checkpoints (c2sp.org/tlog-checkpoint): how large a log was, and the root that stands for all of it.

import type { Bytes } from './base64';
import { parseDecimal } from './decimal';
import { parseHash } from './hashes';
import type { VerifierKey } from './key';
import { checkSigned, parseNote } from './note';
import { Fault } from './reasons';

export interface Checkpoint {
  /** Which log: the name of the key that signs. */
  origin: string;
  /** How many events it covers: the offset of the last one. */
  size: bigint;
  root: Bytes;
}

/** What a note says, whoever signed it; not to be believed yet. Throws a {@link Fault}. */
export function readCheckpoint(note: string): Checkpoint {
  const lines = parseNote(note).text.slice(0, -1).split('\n');
  const [origin = '', size = '', root = '', ...extensions] = lines;
  const [counted, hash] = [parseDecimal(size), parseHash(root)];
  if (origin === '' || counted === null || hash === null || extensions.includes('')) {
    throw new Fault('not_a_checkpoint');
  }
  return { origin, size: counted, root: hash };
}

/** The checkpoint, once the key's signature over it is good. Throws a {@link Fault}. */
export async function openCheckpoint(note: string, key: VerifierKey): Promise<Checkpoint> {
  const checkpoint = readCheckpoint(note);
  await checkSigned(parseNote(note), key);
  if (checkpoint.origin !== key.name) throw new Fault('other_log');
  return checkpoint;
}
