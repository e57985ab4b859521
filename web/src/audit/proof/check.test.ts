// Real proofs pass, and everything that was done to them is found out, each for its own reason.

import { describe, expect, test, vi } from 'vitest';
import { encodeBase64, decodeBase64 } from './base64';
import { checkCheckpoint, checkEntry, checkGrowth } from './check';
import {
  fixture,
  KEY,
  LATEST,
  OTHER_KEY,
  withEachByteFlipped,
  withLine,
  withoutLine,
} from './fixtures';
import { textOf } from './files';
import type { ShownEntry } from './entry';

// Thousands of forgeries are tried, on machines of any speed.
vi.setConfig({ testTimeout: 120_000 });

const OFFSETS = [1, 7, 8, 9, 13];
const proofOf = (offset: number): string => fixture(`offset-${offset}.tlog-proof`);
const PROOF = proofOf(9);
const ENTRIES: ShownEntry[] = JSON.parse(fixture('entries.json')) as ShownEntry[];
const entry = (offset: number): ShownEntry => {
  const found = ENTRIES.find((candidate) => candidate.offset === offset);
  if (!found) throw new Error(`no entry at ${offset} in the fixture`);
  return found;
};

async function reason(proof: string, key = KEY): Promise<string | null> {
  const verdict = await checkEntry(proof, key);
  expect(verdict.state).toBe('bad');
  expect(verdict.record).toBeNull();
  return verdict.reason;
}

describe('an entry', () => {
  test.each(OFFSETS)('at offset %i is proven, and is the one that is shown', async (offset) => {
    const verdict = await checkEntry(proofOf(offset), KEY, entry(offset));
    expect(verdict.steps.map(({ name, state }) => [name, state])).toEqual(
      ['browser', 'key', 'proof', 'signature', 'record', 'path', 'entry'].map((name) => [
        name,
        'good',
      ]),
    );
    expect(verdict.state).toBe('good');
    expect(verdict.record?.offset).toBe(BigInt(offset));
    expect(verdict.checkpoint?.size).toBe(13n);
  });

  test('shows the hashes that were compared', async () => {
    const path = (await checkEntry(PROOF, KEY)).steps.find(({ name }) => name === 'path');
    expect(path?.facts).toContainEqual({
      name: 'computed_root',
      value: 'E1Es2Zxl9fBqdYRiIAwaw6JMt6NgcJMNgnvRdVsex7o=',
    });
  });

  test('that is shown otherwise than it is recorded is found out, field by field', async () => {
    const forgeries: Partial<ShownEntry>[] = [
      { gate: 'south' },
      { device: null },
      { code: 'cancelled' },
      { actor: { id: 'mallory', role: 'superuser' } },
      { event_pax_id: 'FAIR-9' },
      { recorded_at: '2026-11-24T22:30:39Z' },
      { type: 'participant_checked_in', outcome: 'admitted' },
      { scan_id: 's9' },
    ];
    for (const forged of forgeries) {
      const verdict = await checkEntry(PROOF, KEY, { ...entry(9), ...forged });
      expect(verdict.reason).toBe('entry_differs');
      const told = verdict.steps.at(-1)?.facts.map(({ value }) => value.split(':')[0]);
      expect(told).toEqual(Object.keys(forged));
    }
  });

  test('is not proven by the key of another log', async () => {
    expect(await reason(PROOF, OTHER_KEY)).toBe('not_signed_by_key');
  });

  test('is not proven at another index', async () => {
    expect(await reason(withLine(PROOF, 2, () => 'index 7'))).toBe('record_elsewhere');
    expect(await reason(withLine(PROOF, 2, () => 'index 13'))).toBe('record_elsewhere');
  });

  test('is not proven by the record of another', async () => {
    const record = proofOf(7).split('\n')[1] ?? '';
    expect(await reason(withLine(PROOF, 1, () => record))).toBe('record_elsewhere');
  });

  test('is not proven with another content at its offset', async () => {
    const forged = withLine(PROOF, 1, (line) => {
      const bytes = decodeBase64(line.slice('extra '.length)) ?? new Uint8Array();
      const at = new TextDecoder('latin1').decode(bytes).indexOf('north');
      bytes.set(new TextEncoder().encode('south'), at);
      return `extra ${encodeBase64(bytes)}`;
    });
    expect(await reason(forged)).toBe('root_differs');
  });

  test('is not proven by a path that is cut, drawn out, or another', async () => {
    const other = proofOf(7).split('\n')[3] ?? '';
    expect(await reason(withoutLine(PROOF, 3))).toBe('path_too_short');
    expect(await reason(withLine(PROOF, 3, (line) => `${line}\n${line}`))).toBe('path_too_long');
    expect(await reason(withLine(PROOF, 3, () => other))).toBe('root_differs');
  });

  test('is not proven for another size of the log', async () => {
    const head = PROOF.slice(0, PROOF.indexOf('\n\n') + 2);
    expect(await reason(PROOF.replace('\n13\n', '\n12\n'))).toBe('bad_signature');
    // Signed, but too small to hold the entry, or of another shape.
    expect(await reason(head + fixture('earlier-8.checkpoint'))).toBe('index_outside');
    const early = proofOf(7);
    const earlier = early.slice(0, early.indexOf('\n\n') + 2) + fixture('earlier-7.checkpoint');
    expect(await reason(earlier)).toBe('path_too_long');
  });

  test('is not proven by the checkpoint of another log', async () => {
    const head = PROOF.slice(0, PROOF.indexOf('\n\n') + 2);
    expect(await reason(head + fixture('other-log-8.checkpoint'))).toBe('not_signed_by_key');
  });

  test('is not proven without its record', async () => {
    expect(await reason(withoutLine(PROOF, 1))).toBe('no_record');
  });

  test('is not proven by an empty file, or by something else', async () => {
    for (const text of ['', '\n\n', 'hello', LATEST, KEY])
      expect(await reason(text)).toBe('not_a_proof');
  });

  test('is not proven after any byte of its proof has changed', async () => {
    for (const { at, forged } of withEachByteFlipped(PROOF)) {
      const text = textOf(forged);
      if (text === null) continue;
      const verdict = await checkEntry(text, KEY, entry(9));
      expect(verdict.state, `byte ${at}: ${verdict.reason}`).toBe('bad');
    }
  });

  test('is not proven after any byte of the key has changed', async () => {
    for (const { at, forged } of withEachByteFlipped(KEY.trim())) {
      const text = textOf(forged);
      if (text === null) continue;
      const verdict = await checkEntry(PROOF, text);
      expect(verdict.state, `byte ${at}`).toBe('bad');
      expect(['not_a_key', 'key_id_differs']).toContain(verdict.reason);
    }
  });

  test('is not proven by any part of its proof', async () => {
    for (let length = 0; length < PROOF.length; length++) {
      expect((await checkEntry(PROOF.slice(0, length), KEY)).state).toBe('bad');
    }
  });
});

describe('a checkpoint', () => {
  test('is signed by its key', async () => {
    expect((await checkCheckpoint(LATEST, KEY)).state).toBe('good');
  });

  test('that an editor saved with other line ends is none', async () => {
    expect((await checkCheckpoint(LATEST.replaceAll('\n', '\r\n'), KEY)).reason).toBe('not_a_note');
  });

  test('is not good after any byte of it has changed', async () => {
    for (const { at, forged } of withEachByteFlipped(LATEST)) {
      const text = textOf(forged);
      if (text === null) continue;
      expect((await checkCheckpoint(text, KEY)).state, `byte ${at}`).toBe('bad');
    }
  });

  test('keeps signatures of others, which are passed over', async () => {
    const other = fixture('other-log-8.checkpoint').split('\n').at(-2) ?? '';
    expect((await checkCheckpoint(`${LATEST}${other}\n`, KEY)).state).toBe('good');
  });
});

describe('growth', () => {
  const seven = fixture('earlier-7.checkpoint');
  const proof = fixture('consistency-7-13.json');

  test.each([7, 8])('since a checkpoint of %i events is proven', async (size) => {
    const earlier = fixture(`earlier-${size}.checkpoint`);
    const verdict = await checkGrowth(KEY, earlier, LATEST, fixture(`consistency-${size}-13.json`));
    expect(verdict.state).toBe('good');
  });

  test('needs no other checkpoint than the one in the proof', async () => {
    expect((await checkGrowth(KEY, seven, null, proof)).state).toBe('good');
  });

  test('of nothing is proven by equal roots, with a proof or without', async () => {
    expect((await checkGrowth(KEY, LATEST, LATEST, null)).state).toBe('good');
    const verdict = await checkGrowth(KEY, LATEST, LATEST, fixture('consistency-13-13.json'));
    expect(verdict.state).toBe('good');
  });

  test('is open without a proof', async () => {
    const verdict = await checkGrowth(KEY, seven, LATEST, null);
    expect(verdict.state).toBe('open');
    expect(verdict.steps.at(-1)?.reason).toBe('not_a_consistency_proof');
  });

  test('is refuted by a log that has become smaller', async () => {
    expect((await checkGrowth(KEY, LATEST, seven, null)).reason).toBe('log_shrank');
  });

  test('is not proven by a proof between other checkpoints', async () => {
    const eight = fixture('consistency-8-13.json');
    expect((await checkGrowth(KEY, seven, LATEST, eight)).reason).toBe('other_checkpoint');
  });

  test('is not proven by a proof with other hashes', async () => {
    const hashes = (change: (hashes: string[]) => string[]): string => {
      const said = JSON.parse(proof) as { hashes: string[] };
      return JSON.stringify({ ...said, hashes: change(said.hashes) });
    };
    const reasonOf = async (forged: string): Promise<string | null> =>
      (await checkGrowth(KEY, seven, LATEST, forged)).reason;
    expect(await reasonOf(hashes((all) => all.slice(1)))).toBe('consistency_path_wrong');
    expect(await reasonOf(hashes((all) => [...all, ...all]))).toBe('consistency_path_wrong');
    expect(await reasonOf(hashes(() => []))).toBe('consistency_path_wrong');
    expect(await reasonOf(hashes((all) => all.toReversed()))).toBe('history_rewritten');
    expect(await reasonOf('{}')).toBe('not_a_consistency_proof');
    expect(await reasonOf('')).toBe('not_a_consistency_proof');
  });

  test('is not proven for another key or another log', async () => {
    expect((await checkGrowth(OTHER_KEY, seven, LATEST, proof)).reason).toBe('not_signed_by_key');
    const other = fixture('other-log-8.checkpoint');
    expect((await checkGrowth(KEY, other, LATEST, proof)).reason).toBe('not_signed_by_key');
  });

  test('is not proven after any byte of the proof has changed', async () => {
    for (const { at, forged } of withEachByteFlipped(proof)) {
      const text = textOf(forged);
      if (text === null) continue;
      expect((await checkGrowth(KEY, seven, null, text)).state, `byte ${at}`).toBe('bad');
    }
  });

  test('is not proven after any byte of the earlier checkpoint has changed', async () => {
    for (const { at, forged } of withEachByteFlipped(seven)) {
      const text = textOf(forged);
      if (text === null) continue;
      expect((await checkGrowth(KEY, text, LATEST, proof)).state, `byte ${at}`).toBe('bad');
    }
  });
});
