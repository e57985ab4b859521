// How fast people arrive: counts of the last half hour by minute, from the server's own arrivals.

import { api, type Arrivals } from '../api/client';
import { ask } from '../api/problem';

const MINUTE_MS = 60_000;
/** Minutes that are shown. */
export const SPAN_MINUTES = 30;
/** Minutes that the mean is taken over. */
const MEAN_MINUTES = 5;

export interface Pace {
  /** Oldest first, one number a minute, the running one last. */
  counts: number[];
  /** Mean of the last five minutes. */
  perMinute: number;
}

/** Up to `nowMs`; `asOf`: as the log was at that offset. */
export async function arrivalsOf(
  gathering: string,
  nowMs: number,
  asOf: number | null = null,
): Promise<Pace | null> {
  const start = Math.floor(nowMs / MINUTE_MS) * MINUTE_MS - (SPAN_MINUTES - 1) * MINUTE_MS;
  const { data } = await ask(
    api.GET('/api/events/{event_id}/arrivals', {
      params: {
        path: { event_id: gathering },
        query: {
          bucket: 60,
          since: new Date(start).toISOString(),
          ...(asOf === null ? {} : { as_of: String(asOf) }),
        },
      },
    }),
  );
  return data && typeof data === 'object' && 'buckets' in data
    ? paceOf(data as Arrivals, nowMs)
    : null;
}

/** Puts the buckets in their minutes; a minute without a bucket had no arrivals. */
export function paceOf(arrivals: Pick<Arrivals, 'buckets'>, nowMs: number): Pace {
  const last = Math.floor(nowMs / MINUTE_MS);
  const counts = new Array<number>(SPAN_MINUTES).fill(0);
  for (const bucket of arrivals.buckets) {
    const place = Math.floor(Date.parse(bucket.start) / MINUTE_MS) - last + SPAN_MINUTES - 1;
    if (place >= 0 && place < SPAN_MINUTES) counts[place] = (counts[place] ?? 0) + bucket.total;
  }
  const recent = counts.slice(-MEAN_MINUTES);
  return { counts, perMinute: recent.reduce((sum, count) => sum + count, 0) / MEAN_MINUTES };
}
