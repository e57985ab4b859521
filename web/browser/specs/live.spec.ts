// What happens at the doors is seen on open pages, without asking.

import type { Page } from '@playwright/test';

import { card, counts, countsBecome, openDashboard, openGathering } from '../harness/handles.ts';
import { admit, invited } from '../harness/night.ts';
import { expect, signIn, test } from '../harness/stage.ts';

test.beforeEach(({ context, doorbook, organizer }) => signIn(context, doorbook, organizer));

/** ms from now until the number of those checked in is another one; by the page's own eyes. */
async function changed(page: Page): Promise<() => Promise<number>> {
  const watching = await page.evaluateHandle(() => {
    const number = document.querySelector('[data-testid="count-checked-in"]');
    if (number === null) throw new Error('there is no number to watch');
    const at = new Promise<number>((seen) => {
      new MutationObserver(() => seen(Date.now())).observe(number, {
        childList: true,
        characterData: true,
        subtree: true,
      });
    });
    return { at };
  });
  return () => watching.evaluate(({ at }) => at);
}

for (const [where, open] of [
  ['the dashboard', openDashboard],
  ['the page of a gathering', openGathering],
] as const) {
  test(`a scan is seen on ${where}`, async ({ page, desk }) => {
    const { gathering, people } = await invited(desk, { people: 10 });
    await open(page, gathering);
    const seen = await changed(page);
    const sent = Date.now();
    await admit(desk, gathering.id, people[0]?.code ?? '');
    const answered = Date.now();
    const at = await seen();
    console.log(
      `seen on ${where} ${at - sent} ms after it was sent, ${at - answered} ms after its answer`,
    );
    await countsBecome(page, { checked_in: 1, inside: 1 });
  });
}

test('the dashboard counts what comes, goes, is taken back and is cancelled', async ({
  page,
  desk,
}) => {
  const { gathering, people } = await invited(desk, { people: 10 });
  const [first, second, third] = people.map(({ code }) => code);
  await openDashboard(page);
  const shown = card(page, gathering);
  await expect(shown.getByRole('link', { name: gathering.name })).toBeVisible();
  expect(await counts(shown)).toEqual({ registered: 10, checked_in: 0, inside: 0 });
  for (const code of [first, second, third]) await admit(desk, gathering.id, code ?? '');
  await countsBecome(shown, { checked_in: 3, inside: 3 });
  await desk.surely(`/api/events/participants/${first ?? ''}/check-out/`, {});
  await countsBecome(shown, { checked_in: 3, inside: 2 });
  await desk.surely(`/api/events/participants/${second ?? ''}/undo/`, { reason: 'wrong person' });
  await countsBecome(shown, { checked_in: 2, inside: 1 });
  await desk.surely(`/api/events/participants/${third ?? ''}/cancel/`, {});
  await countsBecome(shown, { registered: 9 });
  const { participant_count, checked_in_count, inside_count } = await desk.gathering(gathering.id);
  await countsBecome(shown, {
    registered: participant_count,
    checked_in: checked_in_count,
    inside: inside_count,
  });
});

test('a gathering that is created appears on the dashboard, and a new name of it', async ({
  page,
  desk,
}) => {
  await openDashboard(page);
  await expect(page.getByText('No gatherings yet')).toBeVisible();
  const { id } = await desk.createGathering('Spring fair', { capacity: 2 });
  await expect(page.getByRole('link', { name: 'Spring fair' })).toBeVisible();
  await desk.ok('PATCH', `/api/events/${id}/`, { body: { name: 'Autumn fair' } });
  await expect(page.getByRole('link', { name: 'Autumn fair' })).toBeVisible();
  await expect(page.getByRole('link', { name: 'Spring fair' })).toBeHidden();
});

test('a gathering over its capacity says so in words', async ({ page, desk }) => {
  const { gathering, people } = await invited(desk, { people: 6, details: { capacity: 2 } });
  await openDashboard(page);
  for (const { code } of people.slice(0, 2)) await admit(desk, gathering.id, code);
  await expect(card(page, gathering)).toContainText('Full');
  await admit(desk, gathering.id, people[2]?.code ?? '');
  await expect(card(page, gathering)).toContainText('1 over capacity');
});
