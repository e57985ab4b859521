// A rush on a long list: 200 scans a second for a minute while 20,000 people are on the open page. Whether it stays
// smooth is read from its frames, whether it keeps what it should forget from its heap.

import { expect } from '@playwright/test';
import type { CDPSession, Page } from '@playwright/test';

import { GATES, invited } from '../harness/night.ts';
import { signIn } from '../harness/stage.ts';
import { QUICK, quantile, test } from './figures.ts';
import { load } from './pace.ts';
import { traceTasks } from './tasks.ts';

const PEOPLE = QUICK ? 2_000 : 20_000;
const PER_SECOND = 200;
const SECONDS = QUICK ? 10 : 60;
/** What the page needs to have met everything once. */
const WARM_UP_SECONDS = QUICK ? 2 : 10;
const FRAME_MS_MAX = 50;
const GROWTH_PERCENT_MAX = 5;

interface Frames {
  deltas: number[];
  long_tasks: number[];
}

test(`${PER_SECOND} scans a second on a list of ${PEOPLE}`, async ({
  browser,
  page,
  context,
  doorbook,
  desk,
  organizer,
  measured,
}) => {
  const { gathering, people } = await invited(desk, {
    people: PEOPLE,
    details: { capacity: PEOPLE * 2 },
  });
  const codes = people.map(({ code }) => code);
  await desk.scanBatch(
    gathering.id,
    codes.map((code) => ({ code, direction: 'in', scan_id: `arrival-${code}`, gate: GATES[0] })),
  );
  await signIn(context, doorbook, organizer);
  await page.goto(`/gatherings/${gathering.id}`);
  await page.locator('[data-testid="freshness"][data-state="live"]').waitFor();
  await page.getByTestId('people-list').scrollIntoViewIfNeeded();
  const devtools = await context.newCDPSession(page);

  const what = {
    url: doorbook.url,
    token: doorbook.token(organizer),
    event_id: gathering.id,
    codes,
    per_second: PER_SECOND,
  };
  await load({ ...what, seconds: WARM_UP_SECONDS });
  const before = await heapBytes(devtools);
  const frames = await watchFrames(page);
  const tasks = await traceTasks(browser, page);
  const loaded = await load({ ...what, seconds: SECONDS });
  const { deltas, long_tasks } = await frames();
  const spent = await tasks();
  const after = await heapBytes(devtools);

  expect(loaded.failed, 'scans that failed').toBe(0);
  const slow = deltas.filter((delta) => delta > FRAME_MS_MAX);
  const pace = `${Math.round(loaded.admitted / loaded.seconds)} scans/s`;
  measured({
    what: `slowest frame, ${PER_SECOND} scans/s on a list of ${PEOPLE}`,
    figure: Math.round(Math.max(...deltas)),
    unit: 'ms',
    reach_max: FRAME_MS_MAX,
    note: `${pace} for ${SECONDS} s; ${deltas.length} frames, ${slow.length} over ${FRAME_MS_MAX} ms, p99 ${Math.round(quantile(deltas, 0.99))} ms; ${long_tasks.length} long tasks`,
  });
  measured({
    what: 'longest task of the page meanwhile, in processor time',
    figure: Math.round(quantile(spent, 1)),
    unit: 'ms',
    reach_max: FRAME_MS_MAX,
    note: `${spent.length} tasks, ${Math.round((100 * spent.reduce((sum, one) => sum + one, 0)) / (loaded.seconds * 1_000))} % of a core in all; what of a frame is the page's own, however busy the machine`,
  });
  measured({
    what: 'growth of the heap meanwhile',
    figure: Math.max(0, (100 * (after - before)) / before),
    unit: '%',
    reach_max: GROWTH_PERCENT_MAX,
    note: `${megabytes(before)} after ${WARM_UP_SECONDS} s, ${megabytes(after)} after ${SECONDS} s more, both after a collection`,
  });
});

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

async function heapBytes(devtools: CDPSession): Promise<number> {
  await devtools.send('HeapProfiler.collectGarbage');
  const { usedSize } = await devtools.send('Runtime.getHeapUsage');
  return usedSize;
}

/** From now until what is returned is called. */
async function watchFrames(page: Page): Promise<() => Promise<Frames>> {
  const watching = await page.evaluateHandle(() => {
    const frames: Frames = { deltas: [], long_tasks: [] };
    let last = performance.now();
    let on = true;
    const frame = (): void => {
      const now = performance.now();
      frames.deltas.push(now - last);
      last = now;
      if (on) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    const tasks = new PerformanceObserver((list) =>
      frames.long_tasks.push(...list.getEntries().map(({ duration }) => duration)),
    );
    tasks.observe({ type: 'longtask' });
    const end = (): Frames => {
      on = false;
      tasks.disconnect();
      return frames;
    };
    return { end };
  });
  return () => watching.evaluate(({ end }) => end());
}
