// Which row of a list that changes by itself is highlighted: a row, not a place, so that what is done to it is
// never done to the one that has moved there. Pure; `VirtualList` draws it.

export interface Highlight {
  /** Null: no row yet. */
  id: string | null;
  /** Where the row is, or was when it was last there. */
  place: number;
}

export const NOWHERE: Highlight = { id: null, place: 0 };

type Rows = readonly { id: string }[];

/** The highlight where its row is now; unchanged when the row is gone. */
export function followed(highlight: Highlight, rows: Rows): Highlight {
  const { id, place } = highlight;
  if (id === null || rows[place]?.id === id) return highlight;
  const found = rows.findIndex((row) => row.id === id);
  return found === -1 ? highlight : { id, place: found };
}

/** Whether its row is in the list. Of a highlight that has been followed. */
export function isThere({ id, place }: Highlight, rows: Rows): boolean {
  return id !== null && rows[place]?.id === id;
}

/** The highlight at a place, or at the end that is nearer. */
export function highlightAt(place: number, rows: Rows): Highlight {
  const within = Math.max(0, Math.min(place, rows.length - 1));
  return { id: rows[within]?.id ?? null, place: within };
}

/** Where a key leads; undefined: it is none that walks. From a row that is gone, down leads to what took its place. */
export function walked(
  key: string,
  highlight: Highlight,
  rows: Rows,
  page: number,
): Highlight | undefined {
  const { place } = highlight;
  const before = isThere(highlight, rows) ? place : place - 1;
  const targets: Record<string, number> = {
    ArrowDown: before + 1,
    ArrowUp: place - 1,
    PageDown: before + page,
    PageUp: place - page,
    Home: 0,
    End: rows.length - 1,
  };
  const target = targets[key];
  return target === undefined ? undefined : highlightAt(target, rows);
}
