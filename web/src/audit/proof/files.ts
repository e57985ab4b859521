// Tells the files that an auditor keeps apart by what is in them, whatever they are called, and says what
// can be checked with those that are there.

import { readCheckpoint } from './checkpoint';
import { checkCheckpoint, checkEntry, checkGrowth, type EntryVerdict } from './check';
import { FIRST_LINE } from './inclusion';
import { looksLikeKey } from './key';
import type { Verdict } from './steps';

export type Kind = 'proof' | 'key' | 'checkpoint' | 'consistency';

/** What lies before the auditor: at most two checkpoints, and one of the rest. */
export interface Kept {
  proof?: string;
  key?: string;
  consistency?: string;
  checkpoints: string[];
}

export interface FileVerdicts {
  entry: EntryVerdict | null;
  growth: Verdict | null;
  checkpoint: Verdict | null;
}

/** Null: nothing of ours, or no text at all. */
export function kindOf(text: string): Kind | null {
  if (text.startsWith(FIRST_LINE.slice(0, FIRST_LINE.indexOf('@')))) return 'proof';
  if (looksLikeKey(text)) return 'key';
  if (text.trimStart().startsWith('{')) return 'consistency';
  return text.includes('\n\n— ') ? 'checkpoint' : null;
}

/** A file's bytes as text, unchanged to the last byte; null where they are none. */
export function textOf(bytes: ArrayBuffer): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** All that the files allow. Without a key nothing can be checked, and nothing is. */
export async function checkFiles(kept: Kept): Promise<FileVerdicts> {
  const none: FileVerdicts = { entry: null, growth: null, checkpoint: null };
  if (kept.key === undefined) return none;
  const entry = kept.proof === undefined ? null : await checkEntry(kept.proof, kept.key);
  const growth = await checkPair(kept, kept.key);
  const [alone] = kept.checkpoints;
  const checkpoint =
    entry || growth || alone === undefined ? null : await checkCheckpoint(alone, kept.key);
  return { entry, growth, checkpoint };
}

/** Two checkpoints, one of which may be in a proof. */
async function checkPair(kept: Kept, key: string): Promise<Verdict | null> {
  const [one, two] = kept.checkpoints;
  if (one === undefined) return null;
  const other = two ?? inProof(kept.proof);
  if (other === undefined) {
    return kept.consistency === undefined ? null : checkGrowth(key, one, null, kept.consistency);
  }
  const [earlier, later] = sizeOf(one) <= sizeOf(other) ? [one, other] : [other, one];
  return checkGrowth(key, earlier, later, kept.consistency ?? null);
}

function inProof(proof: string | undefined): string | undefined {
  const end = proof?.indexOf('\n\n') ?? -1;
  return end < 0 ? undefined : proof?.slice(end + 2);
}

/** What cannot be read comes first, and the check says what is wrong with it. */
function sizeOf(note: string): bigint {
  try {
    return readCheckpoint(note).size;
  } catch {
    return -1n;
  }
}
