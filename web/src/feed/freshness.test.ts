import type { StreamStatus } from 'doorbook-stream';
import { describe, expect, it } from 'vitest';
import { freshnessOf } from './freshness';

describe('how old what is shown is', () => {
  it.each<[string, StreamStatus, boolean, object]>([
    ['before the first word', { state: 'connecting' }, false, { state: 'connecting' }],
    ['while the past comes in', { state: 'catching_up' }, false, { state: 'catching_up' }],
    ['live, but the list has holes', { state: 'live' }, false, { state: 'catching_up' }],
    ['live and whole', { state: 'live' }, true, { state: 'live' }],
    [
      'the connection is gone',
      { state: 'connecting', asOf: 5 },
      true,
      { state: 'reconnecting', asOf: 5 },
    ],
    ['silence', { state: 'stale', asOf: 5 }, true, { state: 'reconnecting', asOf: 5 }],
    ['not opened yet', { state: 'closed', reason: 'not_opened' }, false, { state: 'connecting' }],
    [
      'the sign-in ran out',
      { state: 'closed', reason: 'token_expired', code: 4401, asOf: 5 },
      true,
      { state: 'stopped', asOf: 5, isRefused: false },
    ],
    [
      'no longer allowed',
      { state: 'closed', reason: 'close_code', code: 4403 },
      true,
      { state: 'stopped', asOf: null, isRefused: true },
    ],
    [
      'never allowed',
      { state: 'closed', reason: 'refused', code: 403 },
      false,
      { state: 'stopped', asOf: null, isRefused: true },
    ],
  ])('%s', (_, status, isWhole, shown) => expect(freshnessOf(status, isWhole)).toEqual(shown));
});
