// Fetches what a check needs from the server, and has it checked. The checks themselves know no server
// (`proof/check`).

import { api } from '../../api/client';
import { ask, type Problem } from '../../api/problem';
import { checkEntry, checkGrowth, type EntryVerdict } from '../proof/check';
import { readCheckpoint } from '../proof/checkpoint';
import type { ShownEntry } from '../proof/entry';
import type { Verdict } from '../proof/steps';
import { keyring } from './keyring.svelte';

type Checked<T> = { data: T; problem?: never } | { data?: never; problem: Problem };

/** With `shown`, whether that is what was recorded, too. */
export async function verifyEntry(
  offset: number,
  shown?: ShownEntry,
): Promise<Checked<EntryVerdict>> {
  const params = { path: { offset } };
  const proof = await ask(api.GET('/api/log/proof/{offset}', { params, parseAs: 'text' }));
  if (proof.problem) return { problem: proof.problem };
  const key = await keyring.key();
  if (key.problem) return { problem: key.problem };
  return { data: await checkEntry(proof.data, key.data, shown) };
}

/** Whether the log of now begins with that of a checkpoint. */
export async function verifyGrowth(earlier: string): Promise<Checked<Verdict>> {
  const key = await keyring.key();
  if (key.problem) return { problem: key.problem };
  const later = await ask(api.GET('/api/log/checkpoint', { parseAs: 'text' }));
  if (later.problem) return { problem: later.problem };
  const [from, to] = [sizeOf(earlier), sizeOf(later.data)];
  if (from === null || to === null || from >= to || from === 0) {
    // Equal sizes need no proof, and what is smaller or unreadable is found out without one.
    return { data: await checkGrowth(key.data, earlier, later.data, null) };
  }
  const params = { query: { from, to } };
  const proof = await ask(api.GET('/api/log/consistency', { params, parseAs: 'text' }));
  if (proof.problem) return { problem: proof.problem };
  return { data: await checkGrowth(key.data, earlier, later.data, proof.data) };
}

function sizeOf(note: string): number | null {
  try {
    return Number(readCheckpoint(note).size);
  } catch {
    return null;
  }
}
