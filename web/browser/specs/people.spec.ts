// The list of people: finding one, filtering, walking through it, and that it stays true while people come and go.

import type { Page } from '@playwright/test';

import { numberIn, openGathering } from '../harness/handles.ts';
import { admit, arrival, invited, night } from '../harness/night.ts';
import { attendeeList, person } from '../harness/people.ts';
import { expect, signIn, test } from '../harness/stage.ts';

test.beforeEach(({ context, doorbook, organizer }) => signIn(context, doorbook, organizer));

const found = async (page: Page): Promise<number> =>
  numberIn(await page.getByTestId('people-count').innerText());
const search = (page: Page) =>
  page.getByRole('searchbox', { name: 'Search by name, email or ticket' });

test('people are found by parts of names without their accents, by email and by ticket', async ({
  page,
  desk,
}) => {
  const { gathering, people } = await invited(desk, { people: 200 });
  await openGathering(page, gathering);
  for (const asked of [
    'jiri',
    'åkerstrom',
    'mul',
    'guest17@',
    people[41]?.code ?? '',
    'weiss',
    'ngoc anh',
    'anh ngoc',
  ]) {
    const wanted = await desk.participants(gathering.id, { q: asked });
    await search(page).fill(asked);
    await expect.poll(() => found(page), { message: `found for ${asked}` }).toBe(wanted.length);
    const [first] = wanted;
    if (first === undefined) throw new Error(`nobody is called ${asked}`);
    await expect(page.getByTestId('people-list')).toContainText(first.user?.last_name ?? '');
  }
  await search(page).fill('nobody is called this');
  await expect(page.getByText('Nobody fits this search.')).toBeVisible();
  await page.getByRole('button', { name: 'Show all' }).click();
  await expect.poll(() => found(page)).toBe(200);
});

test('filters show who is inside, who left and who has not come, as the API says', async ({
  page,
  desk,
}) => {
  const { gathering } = await night(desk, { people: 120 });
  const all = await desk.participants(gathering.id);
  const active = all.filter(({ status }) => status === 'registered');
  await openGathering(page, gathering);
  for (const [name, wanted] of [
    ['Inside', active.filter(({ checked_in }) => checked_in).length],
    ['Left', active.filter(({ checked_in, entries }) => !checked_in && entries > 0).length],
    [
      'Not yet arrived',
      active.filter(({ checked_in, entries }) => !checked_in && entries === 0).length,
    ],
    ['Cancelled', all.filter(({ status }) => status === 'cancelled').length],
    ['All', all.length],
  ] as const) {
    await page.getByRole('group', { name: 'Who' }).getByRole('button', { name }).click();
    await expect.poll(() => found(page), { message: name }).toBe(wanted);
  }
});

test('the list follows the doors while it is filtered', async ({ page, desk }) => {
  const { gathering, people } = await invited(desk, { people: 30 });
  await openGathering(page, gathering);
  await page.getByRole('button', { name: 'Inside' }).click();
  await expect(page.getByText('Nobody fits this search.')).toBeVisible();
  for (const { code } of people.slice(0, 5)) await admit(desk, gathering.id, code);
  await expect(page.getByTestId('person-row')).toHaveCount(5);
  await desk.scan(gathering.id, arrival(people[0]?.code ?? '', 'Garden', 'out'));
  await expect(page.getByTestId('person-row')).toHaveCount(4);
});

test('a list of twelve thousand is walked through by keyboard, and only what is in sight is drawn', async ({
  page,
  desk,
}) => {
  const { gathering, prefix } = await invited(desk, { people: 10 });
  const more = Array.from({ length: 12_000 }, (_, at) => person(prefix, at + 10));
  await desk.importCsv(gathering.id, attendeeList(more));
  await openGathering(page, gathering);
  await expect.poll(() => found(page)).toBe(12_010);
  const list = page.getByTestId('people-list');
  await list.focus();
  const active = async (): Promise<number> => {
    const id = await list.getAttribute('aria-activedescendant');
    return Number(await page.locator(`[id="${id ?? ''}"]`).getAttribute('aria-posinset'));
  };
  for (const [key, place] of [
    ['End', 12_010],
    ['ArrowUp', 12_009],
    ['Home', 1],
    ['ArrowDown', 2],
  ] as const) {
    await list.press(key);
    await expect.poll(active, { message: key }).toBe(place);
    expect(await page.getByTestId('person-row').count()).toBeLessThan(60);
  }
});

test('a refusal and a conflict are shown with their reason and the use before', async ({
  page,
  desk,
}) => {
  const { gathering, people } = await invited(desk, { people: 10 });
  const [code, other] = people.slice(4).map((one) => one.code);
  await openGathering(page, gathering);
  await admit(desk, gathering.id, code ?? '', 'North gate');
  await desk.scan(gathering.id, arrival(code ?? '', 'South gate'));
  const refused = page.locator('[data-testid="scan-line"][data-kind="refused"]');
  await expect(refused).toContainText('Already inside');
  await expect(refused).toContainText(/first used \d\d:\d\d:\d\d at North gate/);
  await admit(desk, gathering.id, other ?? '', 'Garden');
  await desk.scan(gathering.id, { ...arrival(other ?? '', 'South gate'), mode: 'offline_fact' });
  await expect(page.getByTestId('scan-line').first()).toContainText(
    'Scanned offline, though already inside',
  );
  await page.getByLabel('Only refusals and conflicts').check();
  await expect(page.getByTestId('scan-line')).toHaveCount(2);
});
