import { describe, expect, it } from 'vitest';
import { Attempt, freshKey } from './attempt';

describe('the name of a command', () => {
  it('stays when it is pressed again without an answer', () => {
    const attempt = new Attempt();
    const key = attempt.keyFor({ do: 'check-in', gate: 'north' });
    expect(attempt.keyFor({ do: 'check-in', gate: 'north' })).toBe(key);
  });

  it('is another one once the server has decided', () => {
    const attempt = new Attempt();
    const key = attempt.keyFor({ do: 'check-in' });
    attempt.answered();
    expect(attempt.keyFor({ do: 'check-in' })).not.toBe(key);
  });

  it('is another one for another command', () => {
    const attempt = new Attempt();
    const key = attempt.keyFor({ do: 'check-in', gate: 'north' });
    expect(attempt.keyFor({ do: 'check-in', gate: 'south' })).not.toBe(key);
  });

  it('is never the same by chance', () => {
    const keys = new Set(Array.from({ length: 1000 }, freshKey));
    expect(keys.size).toBe(1000);
    for (const key of keys) expect(key).toMatch(/^[0-9a-f]{32}$/);
  });
});
