// The server is struck down in the middle of a rush, again and again. The pages stay open, say how old they are,
// and end with the numbers of the log.

import type { Page } from '@playwright/test';

import {
  card,
  counts,
  countsBecome,
  freshness,
  openDashboard,
  openGathering,
  shows,
} from '../harness/handles.ts';
import { countsOfLog } from '../harness/log.ts';
import { invited } from '../harness/night.ts';
import { rush } from '../harness/rush.ts';
import { elsewhere, expect, signIn, test } from '../harness/stage.ts';

const PEOPLE = 240;
const KILLS = [60, 140, 220] as const;

test('pages that were open through three crashes of the server in a rush show what the log holds', async ({
  page,
  context,
  doorbook,
  desk,
  organizer,
}) => {
  const { gathering, people } = await invited(desk, { people: PEOPLE });
  await signIn(context, doorbook, organizer);
  await openDashboard(page);
  const second = await elsewhere(page, doorbook, organizer);
  await openGathering(second, gathering);
  for (const open of [page, second]) await mark(open);

  const { answered, over } = rush(
    desk,
    gathering.id,
    people.map(({ code }) => code),
  );
  for (const scans of KILLS) {
    await answered(scans);
    await doorbook.kill();
    await doorbook.restart();
  }
  await over;

  const expected = await countsOfLog(desk, gathering.id);
  expect(await desk.gathering(gathering.id)).toMatchObject({
    participant_count: expected.registered,
    checked_in_count: expected.checked_in,
    inside_count: expected.inside,
  });
  expect(expected).toMatchObject({ checked_in: PEOPLE, inside: PEOPLE - PEOPLE / 3 });
  for (const open of [page, second]) {
    await shows(open, 'live');
    expect(await isMarked(open), 'the page was never loaded anew').toBe(true);
  }
  await countsBecome(card(page, gathering), expected);
  await countsBecome(second, expected);
  await second.context().close();
});

test('a page says as of when it is, that it reconnects, that it catches up, and that it is live again', async ({
  page,
  context,
  doorbook,
  desk,
  organizer,
}) => {
  const { gathering, people } = await invited(desk, { people: 80 });
  await signIn(context, doorbook, organizer);
  await openGathering(page, gathering);
  const states = await watchStates(page);
  const before = await counts(page);

  await doorbook.kill();
  await shows(page, 'reconnecting');
  await expect(freshness(page)).toHaveText(/As of \d\d:\d\d:\d\d, reconnecting/);
  const text = await freshness(page).innerText();
  expect(await counts(page), 'what was there stays').toEqual(before);

  await doorbook.restart();
  for (const { code } of people.slice(0, 40))
    await desk.scan(gathering.id, {
      code,
      direction: 'in',
      scan_id: `late-${code}`,
      gate: 'North gate',
    });
  await shows(page, 'live');
  await countsBecome(page, { checked_in: 40, inside: 40 });
  const seen = await states();
  expect(seen.at(-1)).toBe('live');
  expect(seen.indexOf('reconnecting'), seen.join(' → ')).toBeLessThan(
    seen.lastIndexOf('catching_up'),
  );
  console.log(`${text}: ${seen.join(' → ')}`);
});

test('a page whose device loses its network says so at once, and comes back by itself', async ({
  page,
  context,
  doorbook,
  desk,
  organizer,
}) => {
  const { gathering } = await invited(desk, { people: 20 });
  await signIn(context, doorbook, organizer);
  await openGathering(page, gathering);
  await context.setOffline(true);
  await shows(page, 'reconnecting');
  await context.setOffline(false);
  await shows(page, 'live');
});

/** Whatever loads the document anew takes this away. */
async function mark(page: Page): Promise<void> {
  await page.evaluate(() => Object.assign(globalThis, { marked: true }));
}

async function isMarked(page: Page): Promise<boolean> {
  return page.evaluate(() => 'marked' in globalThis);
}

/** Every state that is shown from now on, however shortly. */
async function watchStates(page: Page): Promise<() => Promise<string[]>> {
  const watching = await page.evaluateHandle(() => {
    const states: string[] = [];
    const look = (): void => {
      const state = document.querySelector<HTMLElement>('[data-testid="freshness"]')?.dataset[
        'state'
      ];
      if (state !== undefined && state !== states.at(-1)) states.push(state);
    };
    look();
    new MutationObserver(look).observe(document.body, {
      subtree: true,
      childList: true,
      attributeFilter: ['data-state'],
    });
    return states;
  });
  return () => watching.jsonValue();
}
