// What a Merkle tree after RFC 6962 proves, computed as RFC 9162 says (sections 2.1.3.2 and 2.1.4.2):
// the root that a leaf leads to, and the two roots that a consistency proof leads to. Whether these are
// the roots that somebody signed is the caller's question.

import type { Bytes } from './base64';
import { nodeHash } from './hashes';

export type PathFault = 'path_too_short' | 'path_too_long';

/** Where a leaf's path ends. `index` is below `size`. */
export async function rootOfPath(
  size: bigint,
  index: bigint,
  leaf: Bytes,
  path: readonly Bytes[],
): Promise<Bytes | PathFault> {
  let place: Place = { node: index, last: size - 1n };
  let hash = leaf;
  for (const sibling of path) {
    if (place.last === 0n) return 'path_too_long';
    const fromLeft = isRight(place);
    hash = fromLeft ? await nodeHash(sibling, hash) : await nodeHash(hash, sibling);
    place = above(fromLeft ? withoutLone(place) : place);
  }
  return place.last === 0n ? hash : 'path_too_short';
}

/** The roots of the smaller and the larger tree, for 0 < `from` < `to`. */
export async function rootsOfConsistency(
  from: bigint,
  to: bigint,
  fromRoot: Bytes,
  proof: readonly Bytes[],
): Promise<{ old: Bytes; grown: Bytes } | PathFault> {
  // A complete old tree is a node of the new one, and the proof does not say its root again.
  const complete = (from & (from - 1n)) === 0n;
  const [first, ...rest] = complete ? [fromRoot, ...proof] : proof;
  if (!first) return 'path_too_short';
  let place: Place = { node: from - 1n, last: to - 1n };
  while ((place.node & 1n) === 1n) place = above(place);
  let [old, grown] = [first, first];
  for (const hash of rest) {
    if (place.last === 0n) return 'path_too_long';
    if (isRight(place)) {
      [old, grown] = [await nodeHash(hash, old), await nodeHash(hash, grown)];
      place = above(withoutLone(place));
    } else {
      grown = await nodeHash(grown, hash);
      place = above(place);
    }
  }
  return place.last === 0n ? { old, grown } : 'path_too_short';
}

/** A node's number on its level, and that of the last one there. */
interface Place {
  node: bigint;
  last: bigint;
}

/** Whether the sibling is on the left. */
function isRight({ node, last }: Place): boolean {
  return (node & 1n) === 1n || node === last;
}

function above({ node, last }: Place): Place {
  return { node: node >> 1n, last: last >> 1n };
}

/** A last node without a sibling goes up unchanged until it is one on the right. */
function withoutLone(place: Place): Place {
  while ((place.node & 1n) === 0n && place.node !== 0n) place = above(place);
  return place;
}
