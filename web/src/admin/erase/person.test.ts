import { describe, expect, it } from 'vitest';
import type { Participant } from '../../api/client';
import { isGone } from './person';

const erased: Participant = {
  id: 'p',
  event_id: 'g',
  event_pax_id: 'T-1',
  user: { first_name: '', last_name: '', email: '' },
  status: 'erased',
  checked_in: false,
  entries: 1,
  offset: 9,
};

describe('somebody erased', () => {
  it('is gone when no name, e-mail or note is left', () => {
    expect(isGone(erased)).toBe(true);
    expect(isGone({ ...erased, note: null })).toBe(true);
  });

  it('is not gone while anything is left, or the status is another', () => {
    expect(isGone({ ...erased, status: 'cancelled' })).toBe(false);
    expect(isGone({ ...erased, note: 'comes with a guide dog' })).toBe(false);
    for (const part of ['first_name', 'last_name', 'email'])
      expect(isGone({ ...erased, user: { ...erased.user, [part]: 'Ana' } })).toBe(false);
  });
});
