// Whatever people are called: a name that is markup, a formula, endless or unbroken is shown as text, letter for
// letter, on every page, and so is every other text that somebody typed somewhere.

import type { Page } from '@playwright/test';

import { shows } from '../harness/handles.ts';
import { arrival, night, type Night } from '../harness/night.ts';
import { FORMULA, MARKUP, UNBROKEN } from '../harness/people.ts';
import { expect, signIn, test } from '../harness/stage.ts';
import { SUPERUSER } from '../harness/tokens.ts';

const GATHERING = '<h1 onclick="alert(2)">Fair</h1> & Märkte';
const GATE = '<svg onload=alert(3)>';
const REASON = '<script>alert(4)</script>';
const ACTOR = { ...SUPERUSER, name: '<u>Ruth</u> "Root"' };

/** What would be there if any of it had been taken for markup. */
async function nothingRan(page: Page): Promise<void> {
  const elements = 'img[src="x"], main b, main u, main h1[onclick], svg[onload], main script';
  await expect(page.locator(elements)).toHaveCount(0);
  await expect(page.getByText(/&(lt|gt|amp|quot);/)).toHaveCount(0);
}

async function evening(desk: Parameters<typeof night>[0]): Promise<Night> {
  const one = await night(desk, { name: GATHERING, people: 30, share: 0.9 });
  const [markup, formula] = one.people.map(({ code }) => code);
  for (const code of [markup, formula]) {
    await desk.scan(one.gathering.id, arrival(code ?? '', GATE, 'out'));
    await desk.scan(one.gathering.id, arrival(code ?? '', GATE));
    await desk.scan(one.gathering.id, arrival(code ?? '', GATE));
  }
  return one;
}

test('names and other texts are text on every page', async ({ page, context, doorbook, api }) => {
  const dialogs: string[] = [];
  page.on('dialog', (dialog) => {
    dialogs.push(dialog.message());
    void dialog.dismiss();
  });
  const { gathering, people, someone } = await evening(api);
  const { offset } = await api.surely<{ offset: number }>(
    `/api/events/participants/${people[1]?.code ?? ''}/undo/`,
    { reason: REASON },
  );
  await signIn(context, doorbook, ACTOR);
  const at = `/gatherings/${gathering.id}`;
  const markup = [MARKUP.first_name, MARKUP.last_name];
  const formula = [FORMULA.first_name, FORMULA.last_name];
  for (const [path, texts] of [
    ['/', [GATHERING, ACTOR.name]],
    [at, [GATHERING, ...markup, ...formula, GATE]],
    [`${at}?person=${someone.id}`, [...markup, GATE]],
    [`${at}/evacuation`, [GATHERING, ...markup, GATE]],
    [`${at}/night?at=${offset}`, [GATHERING, ...markup, ...formula]],
    [`${at}/history?after=${offset - 1}&entry=${offset}`, [GATHERING, REASON]],
    [`${at}/history?participant=${someone.id}`, [...markup, GATE]],
    [`${at}/history?view=as-of&participant=${someone.id}&at=${offset}`, markup],
    [`${at}/settings`, [GATHERING]],
    ['/audit', [GATHERING, GATE]],
    ['/admin', []],
  ] as const) {
    await page.goto(path);
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
    if (path === at)
      await page.getByRole('searchbox', { name: 'Search by name' }).fill('example.org');
    for (const text of texts)
      await expect(page.getByText(text).first(), `${text} on ${path}`).toBeAttached();
    await nothingRan(page);
  }
  expect(dialogs).toEqual([]);
});

test('the list and the person show a name of one endless word without breaking the page', async ({
  page,
  context,
  doorbook,
  desk,
  organizer,
}) => {
  const { gathering, people } = await evening(desk);
  const { id } = await desk.ok<{ id: string }>(
    'GET',
    `/api/events/participants/${people[3]?.code ?? ''}/`,
  );
  await signIn(context, doorbook, organizer);
  for (const width of [360, 1280]) {
    await page.setViewportSize({ width, height: 800 });
    await page.goto(`/gatherings/${gathering.id}?person=${id}`);
    await shows(page, 'live');
    await expect(page.getByTestId('person').getByTestId('standing')).toBeVisible();
    await expect(page.getByRole('dialog')).toContainText(UNBROKEN.first_name);
    const wide = await page.evaluate(() =>
      [document.documentElement, document.querySelector('dialog')].map((box) =>
        box === null ? 0 : box.scrollWidth - box.clientWidth,
      ),
    );
    expect(wide).toEqual([0, 0]);
  }
});
