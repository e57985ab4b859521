import { describe, expect, it } from 'vitest';
import { pairOf } from './pair';

const failed = (status: number) => ({
  problem: { status, code: 'some', detail: `failed with ${status}`, requestId: null },
});

describe('then beside now', () => {
  it('is both answers', () => {
    expect(pairOf({ data: 'a' }, { data: 'b' })).toEqual({ data: { then: 'a', now: 'b' } });
  });

  it('has nothing where nothing was found', () => {
    expect(pairOf(failed(404), { data: 'b' })).toEqual({ data: { then: null, now: 'b' } });
    expect(pairOf({ data: 'a' }, failed(404))).toEqual({ data: { then: 'a', now: null } });
  });

  it('is no pair but a problem when a request failed in another way', () => {
    for (const status of [0, 400, 403, 503]) {
      expect(pairOf(failed(status), { data: 'b' })).toEqual(failed(status));
      expect(pairOf(failed(404), failed(status))).toEqual(failed(status));
    }
  });
});
