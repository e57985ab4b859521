// The checks themselves: that an entry is in the log that a checkpoint stands for, and that a log has
// only grown since an earlier checkpoint. They need texts alone: no server and no network.
//
// Throws nothing for what is wrong with what it is given: that is a bad step with its reason.

import type { Bytes } from './base64';
import { encodeBase64 } from './base64';
import { openCheckpoint, type Checkpoint } from './checkpoint';
import { parseConsistency, type ConsistencyProof } from './consistency';
import { differences, type ShownEntry } from './entry';
import { EMPTY_ROOT, equal, leafHash } from './hashes';
import { parseInclusion, type InclusionProof } from './inclusion';
import { hex, parseKey, type VerifierKey } from './key';
import { readRecord, type RecordFields } from './record';
import { browserFault, Fault } from './reasons';
import { Walk, type Facts, type Verdict } from './steps';
import { rootOfPath, rootsOfConsistency } from './tree';

export interface EntryVerdict extends Verdict {
  /** What the record says, once it is proven. */
  record: RecordFields | null;
  checkpoint: Checkpoint | null;
}

/** That a record is in the log; with `shown`, that the entry shown is what the record says. */
export async function checkEntry(
  proofText: string,
  keyText: string,
  shown?: ShownEntry,
): Promise<EntryVerdict> {
  const walk = new Walk();
  const key = await takeKey(walk, keyText);
  const proof = await walk.take('proof', (facts) => readProof(proofText, facts));
  const checkpoint =
    key && proof
      ? await walk.take('signature', (facts) => openNote(proof.checkpoint, key, facts))
      : walk.skip('signature');
  const record = proof ? await walk.take('record', () => recordOf(proof)) : walk.skip('record');
  const inside =
    proof?.record && checkpoint
      ? await walk.take('path', (facts) => follow(proof, checkpoint, facts))
      : walk.skip('path');
  if (shown) {
    if (record) await walk.take('entry', (facts) => compare(shown, record, facts));
    else walk.skip('entry');
  }
  return { ...walk.verdict(), record: inside ? record : null, checkpoint };
}

/**
 * That the log of a later checkpoint begins with the log of an earlier one. `proofText` may be missing when
 * both are of the same size; `later` when the proof carries it.
 */
export async function checkGrowth(
  keyText: string,
  earlier: string,
  later: string | null,
  proofText: string | null,
): Promise<Verdict> {
  const walk = new Walk();
  const key = await takeKey(walk, keyText);
  const old = key
    ? await walk.take('earlier', (facts) => openNote(earlier, key, facts))
    : walk.skip('earlier');
  const proof =
    proofText === null
      ? null
      : await walk.take('consistency_proof', (facts) => readConsistency(proofText, facts));
  const note = later ?? proof?.checkpoint;
  const grown =
    key && note !== undefined
      ? await walk.take('later', (facts) => openNote(note, key, facts))
      : walk.skip('later');
  if (!old || !grown || (proofText !== null && !proof)) walk.skip('growth');
  else if (!proof && old.size < grown.size) walk.skip('growth', 'not_a_consistency_proof');
  else await walk.take('growth', (facts) => compareTrees(old, grown, proof, facts));
  return walk.verdict();
}

/** That a checkpoint is signed by a key. */
export async function checkCheckpoint(note: string, keyText: string): Promise<Verdict> {
  const walk = new Walk();
  const key = await takeKey(walk, keyText);
  if (key) await walk.take('signature', (facts) => openNote(note, key, facts));
  else walk.skip('signature');
  return walk.verdict();
}

/** Nothing can be checked in a browser that lacks the means, so nothing else is looked at then. */
async function takeKey(walk: Walk, text: string): Promise<VerifierKey | null> {
  const able = await walk.take('browser', async () => {
    const fault = await browserFault();
    if (fault) throw new Fault(fault);
    return true;
  });
  if (!able) return walk.skip('key');
  return walk.take('key', async (facts) => {
    const key = await parseKey(text);
    facts('log', key.name);
    facts('key_id', hex(key.id));
    return key;
  });
}

function readProof(text: string, facts: Facts): InclusionProof {
  const proof = parseInclusion(text);
  facts('offset', proof.index + 1n);
  facts('hashes', proof.path.length);
  return proof;
}

function readConsistency(text: string, facts: Facts): ConsistencyProof {
  const proof = parseConsistency(text);
  facts('hashes', proof.hashes.length);
  return proof;
}

async function openNote(note: string, key: VerifierKey, facts: Facts): Promise<Checkpoint> {
  const checkpoint = await openCheckpoint(note, key);
  facts('size', checkpoint.size);
  facts('signed_root', encodeBase64(checkpoint.root));
  return checkpoint;
}

/** A record that was put in the place of another still says where it belongs. */
function recordOf(proof: InclusionProof): RecordFields {
  if (!proof.record) throw new Fault('no_record');
  const record = readRecord(proof.record);
  if (record.offset !== proof.index + 1n) throw new Fault('record_elsewhere');
  return record;
}

async function follow(proof: InclusionProof, checkpoint: Checkpoint, facts: Facts): Promise<true> {
  if (!proof.record) throw new Fault('no_record');
  if (proof.index >= checkpoint.size) throw new Fault('index_outside');
  const leaf = await leafHash(proof.record);
  facts('leaf', encodeBase64(leaf));
  const root = await rootOfPath(checkpoint.size, proof.index, leaf, proof.path);
  if (typeof root === 'string') throw new Fault(root);
  facts('computed_root', encodeBase64(root));
  facts('signed_root', encodeBase64(checkpoint.root));
  if (!equal(root, checkpoint.root)) throw new Fault('root_differs');
  return true;
}

function compare(shown: ShownEntry, record: RecordFields, facts: Facts): true {
  const found = differences(shown, record);
  found.forEach((difference) => facts('difference', difference));
  if (found.length > 0) throw new Fault('entry_differs');
  return true;
}

async function compareTrees(
  old: Checkpoint,
  grown: Checkpoint,
  proof: ConsistencyProof | null,
  facts: Facts,
): Promise<true> {
  if (old.size > grown.size) throw new Fault('log_shrank');
  if (proof && !(isHead(old, proof.from) && isHead(grown, proof.to))) {
    throw new Fault('other_checkpoint');
  }
  if (old.size === grown.size) {
    facts('earlier_root', encodeBase64(old.root));
    facts('signed_root', encodeBase64(grown.root));
    if (!equal(old.root, grown.root)) throw new Fault('same_size_other_root');
    if (proof && proof.hashes.length > 0) throw new Fault('consistency_path_wrong');
    return true;
  }
  if (old.size === 0n) {
    if (!equal(old.root, EMPTY_ROOT)) throw new Fault('history_rewritten');
    return true;
  }
  const { from, to, hashes } = proof ?? missing();
  const roots = await rootsOfConsistency(from.size, to.size, from.root, hashes);
  if (typeof roots === 'string') throw new Fault('consistency_path_wrong');
  facts('computed_earlier_root', encodeBase64(roots.old));
  facts('earlier_root', encodeBase64(old.root));
  facts('computed_root', encodeBase64(roots.grown));
  facts('signed_root', encodeBase64(grown.root));
  if (!equal(roots.old, old.root) || !equal(roots.grown, grown.root)) {
    throw new Fault('history_rewritten');
  }
  return true;
}

function missing(): never {
  throw new Fault('not_a_consistency_proof');
}

function isHead(checkpoint: Checkpoint, head: { size: bigint; root: Bytes }): boolean {
  return checkpoint.size === head.size && equal(checkpoint.root, head.root);
}
