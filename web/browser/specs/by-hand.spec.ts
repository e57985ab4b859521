// What staff do by hand in the page: a whole check-in by keyboard alone, a refusal with its reason, an override, an
// undo, a walk-in. Each is one event in the log, however often it is pressed.

import type { Page } from '@playwright/test';

import { countsBecome, openGathering } from '../harness/handles.ts';
import { admit, invited } from '../harness/night.ts';
import { expect, signIn, test } from '../harness/stage.ts';

test.beforeEach(({ context, doorbook, organizer }) => signIn(context, doorbook, organizer));

const decision = (page: Page, outcome: string) =>
  page.locator(`[data-testid="decision"][data-outcome="${outcome}"]`);

/** Presses Tab until a thing has the focus, as somebody does who has no mouse. */
async function tabTo(page: Page, isThere: (focused: string) => boolean): Promise<void> {
  const met: string[] = [];
  for (let presses = 0; presses < 60; presses += 1) {
    await page.keyboard.press('Tab');
    const focused = await page.evaluate(() => {
      const element = document.activeElement;
      const style = element === null ? null : getComputedStyle(element);
      const name =
        element?.getAttribute('data-testid') ??
        element?.getAttribute('aria-label') ??
        element?.textContent?.trim() ??
        '';
      return { name, outline: style?.outlineStyle ?? 'none' };
    });
    met.push(focused.name.slice(0, 40));
    if (isThere(focused.name)) return;
  }
  throw new Error(`the keyboard never came there, only to: ${met.join(' | ')}`);
}

test('a check-in is done by keyboard alone, from the list to the decision and back', async ({
  page,
  desk,
}) => {
  const { gathering, people } = await invited(desk, { people: 40 });
  const guest = people[20];
  if (guest === undefined) throw new Error('nobody is invited');
  await openGathering(page, gathering);
  await tabTo(page, (name) => name.startsWith('Search by name'));
  await page.keyboard.type(guest.email);
  await expect(page.getByTestId('person-row')).toHaveCount(1);
  await tabTo(page, (name) => name === 'people-list' || name === 'People');
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('person')).toBeVisible();
  await tabTo(page, (name) => name === 'check-in');
  await page.keyboard.press('Enter');
  await expect(decision(page, 'admitted')).toBeVisible();
  await expect(page.getByTestId('standing')).toHaveAttribute('data-standing', 'inside');
  await page.keyboard.press('Escape');
  await expect(page.getByTestId('person')).toBeHidden();
  await countsBecome(page, { checked_in: 1, inside: 1 });
  const events = await desk.history(gathering.id, { type: 'participant_checked_in' });
  expect(events.map(({ event_pax_id }) => event_pax_id)).toEqual([guest.code]);
});

test('a refusal says why and when the ticket was used; with a reason it is overruled', async ({
  page,
  desk,
}) => {
  const { gathering, people } = await invited(desk, {
    people: 10,
    details: { capacity: 1, capacity_mode: 'refuse' },
  });
  const [first, second] = people.slice(4);
  await admit(desk, gathering.id, first?.code ?? '', 'North gate');
  const asked = await desk.ok<{ id: string }>(
    'GET',
    `/api/events/participants/${second?.code ?? ''}/`,
  );
  await page.goto(`/gatherings/${gathering.id}?person=${asked.id}`);
  await page.getByTestId('check-in').click();
  await expect(decision(page, 'refused')).toContainText('Full');
  await page.getByTestId('override').click();
  await page.getByLabel('Reason (needed)').fill('speaker of the evening');
  await page.getByRole('button', { name: 'Admit anyway' }).click();
  await expect(decision(page, 'admitted')).toBeVisible();
  const [event] = await desk.history(gathering.id, {
    participant: second?.code ?? '',
    type: 'participant_checked_in',
  });
  expect(event).toMatchObject({ reason: 'speaker of the evening' });
});

test('a check-in is undone and then told in the story, where both stay', async ({ page, desk }) => {
  const { gathering, people, someone } = await invited(desk, { people: 6 });
  await admit(desk, gathering.id, people[0]?.code ?? '', 'Garden');
  await page.goto(`/gatherings/${gathering.id}?person=${someone.id}`);
  await page.getByTestId('undo').click();
  await page.getByRole('button', { name: 'Undo last scan', exact: true }).click();
  await expect(decision(page, 'undone')).toBeVisible();
  const story = page.getByTestId('story');
  await expect(story).toContainText('Came in at Garden');
  await expect(story).toContainText('taken back later');
  await countsBecome(page, { checked_in: 0, inside: 0 });
  expect((await desk.history(gathering.id, { type: 'scan_undone' })).length).toBe(1);
});

test('a command whose answer was lost is done once, and the page shows what came of it', async ({
  page,
  desk,
}) => {
  const { gathering, someone } = await invited(desk, { people: 3 });
  await page.goto(`/gatherings/${gathering.id}?person=${someone.id}`);
  await expect(page.getByTestId('check-in')).toBeEnabled();
  // The command arrives and the answer does not.
  await page.route('**/check-in', async (route) => {
    await route.fetch();
    await route.abort('connectionreset');
  });
  await page.getByTestId('check-in').click();
  await expect(decision(page, 'lost')).toBeVisible();
  await expect(page.getByTestId('standing')).toHaveAttribute('data-standing', 'inside');
  expect((await desk.history(gathering.id, { type: 'participant_checked_in' })).length).toBe(1);
  await countsBecome(page, { checked_in: 1, inside: 1 });
});

test('a walk-in is registered, and found at once', async ({ page, desk }) => {
  const { gathering } = await invited(desk, { people: 5 });
  await openGathering(page, gathering);
  await page.getByRole('button', { name: 'Register a walk-in' }).click();
  await page.getByLabel('First name').fill('Wanda');
  await page.getByLabel('Last name').fill('Walk-in');
  await page.getByRole('textbox', { name: 'Email' }).fill('wanda@example.org');
  await page.getByRole('button', { name: 'Register', exact: true }).click();
  await expect(page.getByTestId('registered')).toBeVisible();
  await countsBecome(page, { registered: 6 });
  expect((await desk.participants(gathering.id, { q: 'wanda' })).length).toBe(1);
});
