// Files are told apart by their content, and all that they allow is checked.

import { expect, test } from 'vitest';
import { checkFiles, kindOf, textOf, type Kept } from './files';
import { fixture, KEY, LATEST } from './fixtures';

const PROOF = fixture('offset-9.tlog-proof');
const SEVEN = fixture('earlier-7.checkpoint');
const CONSISTENCY = fixture('consistency-7-13.json');

test('each kind is known by what is in it', () => {
  expect(kindOf(PROOF)).toBe('proof');
  expect(kindOf(KEY)).toBe('key');
  expect(kindOf(LATEST)).toBe('checkpoint');
  expect(kindOf(CONSISTENCY)).toBe('consistency');
  expect(kindOf('Dear auditor,\n\nplease find attached')).toBeNull();
  expect(kindOf('')).toBeNull();
});

test('bytes that are no text are none', () => {
  expect(textOf(Uint8Array.of(0xff, 0xfe).buffer)).toBeNull();
});

test('without a key nothing is checked', async () => {
  const verdicts = await checkFiles({ proof: PROOF, checkpoints: [SEVEN] });
  expect(verdicts).toEqual({ entry: null, growth: null, checkpoint: null });
});

test.each<[string, Kept, (string | undefined)[]]>([
  ['a proof', { key: KEY, proof: PROOF, checkpoints: [] }, ['good']],
  ['a checkpoint', { key: KEY, checkpoints: [SEVEN] }, [undefined, undefined, 'good']],
  [
    'a proof and its own checkpoint',
    { key: KEY, proof: PROOF, checkpoints: [LATEST] },
    ['good', 'good'],
  ],
  [
    'a proof and an earlier checkpoint',
    { key: KEY, proof: PROOF, checkpoints: [SEVEN] },
    ['good', 'open'],
  ],
  [
    'a proof, an earlier checkpoint and what links them',
    { key: KEY, proof: PROOF, checkpoints: [SEVEN], consistency: CONSISTENCY },
    ['good', 'good'],
  ],
  [
    'a checkpoint and what links it to a later one',
    { key: KEY, checkpoints: [SEVEN], consistency: CONSISTENCY },
    [undefined, 'good'],
  ],
  [
    'two checkpoints, the later one first',
    { key: KEY, checkpoints: [LATEST, SEVEN], consistency: CONSISTENCY },
    [undefined, 'good'],
  ],
  [
    'a checkpoint of the same size with another root',
    { key: KEY, proof: PROOF, checkpoints: [SEVEN.replace('\n7\n', '\n13\n')] },
    ['good', 'bad'],
  ],
])('%s', async (_, kept, [entry, growth, checkpoint]) => {
  const verdicts = await checkFiles(kept);
  expect(verdicts.entry?.state).toBe(entry);
  expect(verdicts.growth?.state).toBe(growth);
  expect(verdicts.checkpoint?.state).toBe(checkpoint);
});
