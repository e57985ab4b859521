import { describe, expect, it } from 'vitest';
import { followed, highlightAt, isThere, NOWHERE, walked } from './highlight';

const rowsOf = (ids: string) => [...ids].map((id) => ({ id }));

describe('the highlight', () => {
  it('stays on its row when others come and go before it', () => {
    const at = highlightAt(1, rowsOf('abc'));
    expect(followed(at, rowsOf('xabc'))).toEqual({ id: 'b', place: 2 });
    expect(followed(at, rowsOf('bc'))).toEqual({ id: 'b', place: 0 });
  });

  it('is on nobody when its row is gone, and on it again when it comes back', () => {
    const gone = followed(highlightAt(1, rowsOf('abc')), rowsOf('ac'));
    expect(isThere(gone, rowsOf('ac'))).toBe(false);
    expect(isThere(followed(gone, rowsOf('acb')), rowsOf('acb'))).toBe(true);
  });

  it('is on nobody before it was moved', () => {
    expect(isThere(followed(NOWHERE, rowsOf('abc')), rowsOf('abc'))).toBe(false);
  });
});

describe('walking', () => {
  const rows = rowsOf('abcde');
  it.each([
    ['ArrowDown', 'c'],
    ['ArrowUp', 'a'],
    ['PageDown', 'd'],
    ['PageUp', 'a'],
    ['Home', 'a'],
    ['End', 'e'],
  ])('%s leads from the second of five to %s', (key, id) => {
    expect(walked(key, highlightAt(1, rows), rows, 2)?.id).toBe(id);
  });

  it('skips nobody from a row that is gone', () => {
    const gone = highlightAt(1, rows);
    const left = rowsOf('acde');
    expect(walked('ArrowDown', gone, left, 2)?.id).toBe('c');
    expect(walked('ArrowUp', gone, left, 2)?.id).toBe('a');
  });

  it('ends at the ends, also of a list that became shorter', () => {
    const last = highlightAt(4, rows);
    expect(walked('ArrowDown', last, rows, 2)?.id).toBe('e');
    expect(walked('ArrowDown', last, rowsOf('a'), 2)?.id).toBe('a');
    expect(walked('ArrowUp', last, rowsOf('a'), 2)?.id).toBe('a');
  });

  it('leaves other keys alone', () => expect(walked('x', NOWHERE, rows, 2)).toBe(undefined));
});
