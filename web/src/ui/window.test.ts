import { describe, expect, it } from 'vitest';
import { AROUND_ROWS, rowsInSight, scrollTo } from './window';

describe('the rows in sight', () => {
  it('are those on the screen and a few around them', () => {
    expect(rowsInSight(4800, 480, 48, 100_000)).toEqual({
      first: 100 - AROUND_ROWS,
      end: 110 + AROUND_ROWS,
    });
  });

  it('never leave the list, however far somebody scrolls', () => {
    for (const count of [0, 1, 7, 100_000]) {
      for (const top of [-500, 0, 1, 47, 48, 4_799_999, 1e12]) {
        const { first, end } = rowsInSight(top, 480, 48, count);
        expect(first).toBeGreaterThanOrEqual(0);
        expect(end).toBeLessThanOrEqual(count);
        expect(end - first).toBeGreaterThanOrEqual(Math.min(count, 1));
      }
    }
  });

  it('cover the screen at every place of the list', () => {
    const [height, row, count] = [333, 41, 5_000];
    for (let top = 0; top <= count * row - height; top += 997) {
      const { first, end } = rowsInSight(top, height, row, count);
      expect(first * row).toBeLessThanOrEqual(top);
      expect(end * row).toBeGreaterThanOrEqual(top + height);
    }
  });
});

describe('scrolling to a row', () => {
  it('moves only when the row is out of sight, and no further than needed', () => {
    expect(scrollTo(5, 0, 480, 48)).toBe(0);
    expect(scrollTo(10, 0, 480, 48)).toBe(48);
    expect(scrollTo(3, 480, 480, 48)).toBe(144);
  });
});
