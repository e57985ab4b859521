// How old what a page shows is. Every page that shows numbers shows this beside them.

import type { StreamStatus } from 'doorbook-stream';

export type Freshness =
  | { state: 'connecting' }
  | { state: 'catching_up' }
  | { state: 'live' }
  /** Was right at `asOf`, ms since 1970; it goes on trying. */
  | { state: 'reconnecting'; asOf: number }
  /** For good. */
  | { state: 'stopped'; asOf: number | null; isRefused: boolean }
  /** A moment of the past, by choice. */
  | { state: 'moment'; at: number };

/** `isCurrent`: everything that belongs to the page has been loaded once. */
export function freshnessOf(status: StreamStatus, isCurrent: boolean): Freshness {
  const asOf = status.asOf ?? null;
  switch (status.state) {
    case 'live':
      return isCurrent ? { state: 'live' } : { state: 'catching_up' };
    case 'catching_up':
      return { state: 'catching_up' };
    case 'closed':
      return status.reason === 'not_opened'
        ? { state: 'connecting' }
        : { state: 'stopped', asOf, isRefused: isRefusal(status) };
    case 'connecting':
    case 'stale':
      return asOf === null ? { state: 'connecting' } : { state: 'reconnecting', asOf };
  }
}

/** The present of what is shown, ms since 1970, to the minute: of a moment of the past, that moment. */
export function presentOf(freshness: Freshness): number {
  const at = freshness.state === 'moment' ? freshness.at : Date.now();
  return Math.floor(at / 60_000) * 60_000;
}

function isRefusal({ reason, code }: StreamStatus): boolean {
  return reason === 'refused' || (reason === 'close_code' && code === 4403);
}
