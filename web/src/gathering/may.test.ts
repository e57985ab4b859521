import { describe, expect, it } from 'vitest';
import { mayOf } from './may';

describe('what is offered', () => {
  it('to an auditor is to read', () => {
    const { readHistory, ...rest } = mayOf('auditor');
    expect(readHistory).toBe(true);
    expect(Object.values(rest).filter(Boolean)).toEqual([]);
  });

  it('to a steward is to scan and to take back what was their own', () => {
    const may = mayOf('steward');
    expect([may.scan, may.undo]).toEqual([true, 'own']);
    expect([may.override, may.cancel, may.register, may.readHistory]).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });

  it('to a supervisor is to override, but not to change the gathering', () => {
    const may = mayOf('supervisor');
    expect([may.override, may.cancel, may.register, may.undo]).toEqual([
      true,
      true,
      true,
      'any_with_reason',
    ]);
    expect([may.change, may.exportPerson]).toEqual([false, false]);
  });

  it('to somebody without a role is nothing', () => {
    expect(Object.values(mayOf(undefined)).filter(Boolean)).toEqual([]);
    expect(Object.values(mayOf(null)).filter(Boolean)).toEqual([]);
  });
});
