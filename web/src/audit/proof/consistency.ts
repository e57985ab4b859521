// Proofs that a log at one size begins with the log at an earlier one, as the server's JSON: read, not
// checked. Whether the roots in it are those that were signed is for `verdict` to say.

import { parseHash } from './hashes';
import type { Bytes } from './base64';
import { Fault } from './reasons';

export interface ConsistencyProof {
  from: TreeHead;
  to: TreeHead;
  /** In the order of RFC 6962, section 2.1.2. */
  hashes: Bytes[];
  /** The signed checkpoint at `to`. */
  checkpoint: string;
}

export interface TreeHead {
  size: bigint;
  root: Bytes;
}

/** No proof between trees of less than 2^64 leaves has more hashes. */
const HASHES_MAX = 65;

/** Throws a {@link Fault}: `not_a_consistency_proof`. */
export function parseConsistency(text: string): ConsistencyProof {
  const proof = parse(text);
  if (!proof) throw new Fault('not_a_consistency_proof');
  return proof;
}

function parse(text: string): ConsistencyProof | null {
  const said = json(text);
  if (!isRecord(said) || !Array.isArray(said.hashes) || said.hashes.length > HASHES_MAX)
    return null;
  const [from, to] = [head(said.from), head(said.to)];
  const hashes = said.hashes.map((hash: unknown) => (isText(hash) ? parseHash(hash) : null));
  if (!from || !to || !isText(said.checkpoint) || !hashes.every((hash) => hash !== null))
    return null;
  return { from, to, hashes, checkpoint: said.checkpoint };
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function head(said: unknown): TreeHead | null {
  if (!isRecord(said) || !isText(said.root) || !Number.isSafeInteger(said.size)) return null;
  const [size, root] = [BigInt(Number(said.size)), parseHash(said.root)];
  return root && size >= 0n ? { size, root } : null;
}

function isRecord(said: unknown): said is Record<string, unknown> {
  return typeof said === 'object' && said !== null;
}

function isText(said: unknown): said is string {
  return typeof said === 'string';
}
