// Which rows of a long list are drawn: those in sight and a few around them. Pure; `VirtualList` draws them.

/** Rows above and below what is in sight, so that a quick scroll shows no gap. */
export const AROUND_ROWS = 8;

export interface Sight {
  /** First row drawn. */
  first: number;
  /** One after the last row drawn. */
  end: number;
}

export function rowsInSight(
  scrollTop: number,
  height: number,
  rowHeight: number,
  count: number,
): Sight {
  if (count <= 0 || rowHeight <= 0) return { first: 0, end: 0 };
  const top = Math.min(Math.max(0, scrollTop), Math.max(0, count * rowHeight - height));
  const first = Math.max(0, Math.floor(top / rowHeight) - AROUND_ROWS);
  const end = Math.min(count, Math.ceil((top + Math.max(0, height)) / rowHeight) + AROUND_ROWS);
  return { first, end };
}

/** Where to scroll so that a row is in sight; where the list already is when it is. */
export function scrollTo(
  row: number,
  scrollTop: number,
  height: number,
  rowHeight: number,
): number {
  const top = row * rowHeight;
  if (top < scrollTop) return top;
  if (top + rowHeight > scrollTop + height) return top + rowHeight - height;
  return scrollTop;
}
