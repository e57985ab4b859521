// The tasks of a page's main thread, from Chromium's own trace, by the processor time that they took. Unlike a frame,
// a task is not longer because another program had the processor.

import type { Browser, Page } from '@playwright/test';

interface TraceEvent {
  name: string;
  pid: number;
  tid: number;
  /** µs of the thread on a processor. */
  tdur?: number;
  args?: { name?: string };
}

const CATEGORIES = ['toplevel'];

/** From now until what is returned is called: processor time of each task, ms. */
export async function traceTasks(browser: Browser, page: Page): Promise<() => Promise<number[]>> {
  await browser.startTracing(page, { categories: CATEGORIES });
  return async () => {
    const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as {
      traceEvents: TraceEvent[];
    };
    const mains = traceEvents
      .filter(({ name, args }) => name === 'thread_name' && args?.name === 'CrRendererMain')
      .map(({ pid, tid }) => `${pid} ${tid}`);
    const tasks = traceEvents.filter(
      ({ name, pid, tid, tdur }) =>
        name.endsWith('RunTask') && tdur !== undefined && mains.includes(`${pid} ${tid}`),
    );
    if (tasks.length === 0) throw new Error('the trace has no tasks of the page');
    return tasks.map(({ tdur }) => (tdur ?? 0) / 1_000);
  };
}
