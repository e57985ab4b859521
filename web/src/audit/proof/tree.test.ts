// Paths and proofs between trees, held against trees that are built naively from their leaves, in every
// shape up to a size with all the corners that there are.

import { expect, test, vi } from 'vitest';
import type { Bytes } from './base64';
import { EMPTY_ROOT, equal, leafHash, nodeHash, sha256 } from './hashes';
import { rootOfPath, rootsOfConsistency } from './tree';

// Thousands of forgeries are tried, on machines of any speed.
vi.setConfig({ testTimeout: 120_000 });

const SIZE = 20;
const leaves: Bytes[] = await Promise.all(
  Array.from({ length: SIZE }, (_, at) => leafHash(Uint8Array.of(at))),
);

/** MTH of RFC 6962, section 2.1. */
async function root(from: number, to: number): Promise<Bytes> {
  if (to - from === 1) return leaves[from] ?? EMPTY_ROOT;
  const middle = from + split(to - from);
  return nodeHash(await root(from, middle), await root(middle, to));
}

/** PATH of RFC 6962, section 2.1.1. */
async function path(index: number, from: number, to: number): Promise<Bytes[]> {
  if (to - from === 1) return [];
  const middle = from + split(to - from);
  return index < middle
    ? [...(await path(index, from, middle)), await root(middle, to)]
    : [...(await path(index, middle, to)), await root(from, middle)];
}

/** SUBPROOF of RFC 6962, section 2.1.2. */
async function subproof(old: number, from: number, to: number, whole: boolean): Promise<Bytes[]> {
  if (old === to) return whole ? [] : [await root(from, to)];
  const middle = from + split(to - from);
  return old <= middle
    ? [...(await subproof(old, from, middle, whole)), await root(middle, to)]
    : [...(await subproof(old, middle, to, false)), await root(from, middle)];
}

function split(count: number): number {
  return 2 ** Math.floor(Math.log2(count - 1));
}

test('the empty root is the hash of nothing', async () => {
  expect(equal(EMPTY_ROOT, await sha256())).toBe(true);
});

test('every leaf of every tree leads to its root, and at no other place', async () => {
  for (let size = 1; size <= SIZE; size++) {
    const whole = await root(0, size);
    for (let index = 0; index < size; index++) {
      const way = await path(index, 0, size);
      const leaf = leaves[index] ?? EMPTY_ROOT;
      expect(await rootOfPath(BigInt(size), BigInt(index), leaf, way)).toEqual(whole);
      for (let other = 0; other < size; other++) {
        if (other === index) continue;
        expect(await rootOfPath(BigInt(size), BigInt(other), leaf, way)).not.toEqual(whole);
      }
      const cut = await rootOfPath(BigInt(size), BigInt(index), leaf, way.slice(1));
      if (size > 1) expect(cut).toBe('path_too_short');
      const drawn = await rootOfPath(BigInt(size), BigInt(index), leaf, [...way, whole]);
      expect(drawn).toBe('path_too_long');
    }
  }
});

test('every tree begins with every smaller one, and with no other', async () => {
  for (let to = 2; to <= SIZE; to++) {
    for (let from = 1; from < to; from++) {
      const [old, grown] = [await root(0, from), await root(0, to)];
      const proof = await subproof(from, 0, to, true);
      const [small, large] = [BigInt(from), BigInt(to)];
      expect(await rootsOfConsistency(small, large, old, proof)).toEqual({ old, grown });
      for (let at = 0; at < proof.length; at++) {
        const forged = proof.with(at, EMPTY_ROOT);
        expect(await rootsOfConsistency(small, large, old, forged)).not.toEqual({ old, grown });
        const cut = proof.toSpliced(at, 1);
        expect(await rootsOfConsistency(small, large, old, cut)).not.toEqual({ old, grown });
      }
      const drawn = await rootsOfConsistency(small, large, old, [...proof, grown]);
      expect(drawn).toBe('path_too_long');
    }
  }
});
