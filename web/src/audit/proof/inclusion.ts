// Proofs that a record is in a log, as files (c2sp.org/tlog-proof): read, not checked.

import { decodeBase64, type Bytes } from './base64';
import { parseDecimal } from './decimal';
import { parseHash } from './hashes';
import { Fault } from './reasons';

export interface InclusionProof {
  /** The leaf's number, from 0: its offset is one more. */
  index: bigint;
  /** From the leaf's sibling up. */
  path: Bytes[];
  /** The record's bytes as the log has them. */
  record: Bytes | null;
  /** The signed checkpoint. */
  checkpoint: string;
}

export const FIRST_LINE = 'c2sp.org/tlog-proof@v1';
/** No tree of less than 2^64 leaves is higher. */
const PATH_MAX = 64;

/** Throws a {@link Fault}: `not_a_proof`. */
export function parseInclusion(text: string): InclusionProof {
  const proof = parse(text);
  if (!proof) throw new Fault('not_a_proof');
  return proof;
}

function parse(text: string): InclusionProof | null {
  const end = text.indexOf('\n\n');
  const lines = text.slice(0, Math.max(end, 0)).split('\n');
  if (lines.shift() !== FIRST_LINE) return null;
  let line = lines.shift() ?? '';
  let record: Bytes | null = null;
  if (line.startsWith('extra ')) {
    record = decodeBase64(line.slice('extra '.length));
    if (!record) return null;
    line = lines.shift() ?? '';
  }
  const index = line.startsWith('index ') ? parseDecimal(line.slice('index '.length)) : null;
  const path = lines.map(parseHash);
  if (index === null || path.length > PATH_MAX || !path.every((hash) => hash !== null)) return null;
  return { index, path, record, checkpoint: text.slice(end + 2) };
}
