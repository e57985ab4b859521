// A browser without the means says so, and nothing is called good or bad in it.

import { afterEach, expect, test, vi } from 'vitest';
import { checkEntry } from './check';
import { fixture, KEY } from './fixtures';

afterEach(() => vi.unstubAllGlobals());

const check = async (): Promise<(string | null)[][]> =>
  (await checkEntry(fixture('offset-9.tlog-proof'), KEY)).steps.map((step) => [
    step.name,
    step.state,
    step.reason,
  ]);

test('a page that came by plain http has no WebCrypto', async () => {
  vi.stubGlobal('crypto', {});
  expect((await check())[0]).toEqual(['browser', 'bad', 'no_web_crypto']);
  const taken = (await check()).filter(([, state]) => state !== 'skipped').map(([name]) => name);
  expect(taken).toEqual(['browser', 'proof', 'record']);
});

test('an older browser has no Ed25519', async () => {
  const subtle = { importKey: () => Promise.reject(new DOMException('', 'NotSupportedError')) };
  vi.stubGlobal('crypto', { subtle });
  expect((await check())[0]).toEqual(['browser', 'bad', 'no_ed25519']);
});
