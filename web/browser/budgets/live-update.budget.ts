// How long a scan takes to be seen: from the moment at which the door sends it to the changed number in the page.

import type { Page } from '@playwright/test';

import { admit, invited } from '../harness/night.ts';
import { signIn } from '../harness/stage.ts';
import { quantile, QUICK, test } from './figures.ts';

const SCANS = QUICK ? 5 : 50;
const SEEN_MS_MAX = 200;

for (const [where, path] of [
  ['the dashboard', () => '/'],
  ['the page of a gathering', (id: string) => `/gatherings/${id}`],
] as const) {
  test(`a scan is seen on ${where}`, async ({
    page,
    context,
    doorbook,
    desk,
    organizer,
    measured,
  }) => {
    const { gathering, people } = await invited(desk, { people: SCANS + 10 });
    await signIn(context, doorbook, organizer);
    await page.goto(path(gathering.id));
    await page.getByTestId('count-checked-in').first().getByText('0').first().waitFor();
    await page.locator('[data-testid="freshness"][data-state="live"]').first().waitFor();
    const fromSending: number[] = [];
    const fromAnswer: number[] = [];
    for (const { code } of people.slice(0, SCANS)) {
      const seen = await changes(page);
      const sent = Date.now();
      await admit(desk, gathering.id, code);
      const answered = Date.now();
      const at = await seen();
      fromSending.push(at - sent);
      fromAnswer.push(Math.max(0, at - answered));
    }
    measured({
      what: `a scan seen on ${where}`,
      figure: quantile(fromSending, 1),
      unit: 'ms',
      reach_max: SEEN_MS_MAX,
      note: `slowest of ${SCANS}, from sending it to the painted number; middle ${quantile(fromSending, 0.5)} ms, from its answer ${quantile(fromAnswer, 0.5)} ms`,
    });
  });
}

/** When the number of those checked in changes next, by the clock that this process has, too. */
async function changes(page: Page): Promise<() => Promise<number>> {
  const watching = await page.evaluateHandle(() => {
    const number = document.querySelector('[data-testid="count-checked-in"]');
    if (number === null) throw new Error('there is no number to watch');
    const before = number.textContent;
    const at = new Promise<number>((seen) => {
      const watch = (): void => {
        if (number.textContent === before) requestAnimationFrame(watch);
        else requestAnimationFrame(() => seen(Date.now()));
      };
      requestAnimationFrame(watch);
    });
    return { at };
  });
  return () => watching.evaluate(({ at }) => at);
}
