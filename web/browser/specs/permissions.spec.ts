// What each role sees, and what is not offered to it; and what happens to a page whose owner may no longer look.

import type { Page } from '@playwright/test';

import { shows } from '../harness/handles.ts';
import { admit, arrival, night } from '../harness/night.ts';
import { elsewhere, expect, signIn, test } from '../harness/stage.ts';
import { AUDITOR } from '../harness/tokens.ts';

interface DoorToken {
  token: string;
  jti: string;
}

const doorToken = (door_role: 'steward' | 'supervisor') => ({
  body: {
    name: `A ${door_role}`,
    door_role,
    expires_at: new Date(Date.now() + 3_600_000).toISOString(),
  },
});

const offered = (page: Page): Promise<string[]> =>
  page.getByTestId('person').getByRole('button').allInnerTexts();

const pagesOf = (page: Page): Promise<string[]> =>
  page
    .getByRole('navigation', { name: 'Pages of this gathering' })
    .getByRole('link')
    .allInnerTexts();

test('a steward checks in and out, and is offered nothing else', async ({
  page,
  context,
  doorbook,
  desk,
}) => {
  const { gathering, someone } = await night(desk, { people: 20 });
  const { token } = await desk.ok<DoorToken>(
    'POST',
    `/api/events/${gathering.id}/door-tokens/`,
    doorToken('steward'),
  );
  await signIn(context, doorbook, token);
  await page.goto('/');
  await expect(page.getByRole('link', { name: gathering.name })).toBeVisible();
  await expect(page.getByRole('button', { name: 'New gathering' })).toBeHidden();
  await expect(
    page.getByRole('navigation', { name: 'Pages', exact: true }).getByRole('link'),
  ).toHaveText(['Gatherings']);
  await page.goto(`/gatherings/${gathering.id}?person=${someone.id}`);
  await shows(page, 'live');
  expect(await pagesOf(page)).toEqual(['Evacuation list']);
  await expect(page.getByTestId('person').getByTestId(/^check-(in|out)$/)).toBeVisible();
  expect(await offered(page)).not.toContainEqual(
    expect.stringMatching(/Cancel registration|Admit anyway|Everything held/),
  );

  for (const [path, words] of [
    [`/gatherings/${gathering.id}/night`, 'You may see this gathering live, but not look back.'],
    ['/admin', 'This page is for superusers.'],
    [`/gatherings/${gathering.id}/settings`, 'Settings are for the organizer'],
  ] as const) {
    await page.goto(path);
    await expect(page.getByText(words)).toBeVisible();
  }
  await page.goto(`/gatherings/${gathering.id}/history`);
  await expect(page.getByTestId('history-row')).toHaveCount(0);
  await expect(page.getByRole('main')).toContainText(/auditor|supervisor/i);
});

test('a supervisor overrules and undoes with a reason, and does not change the gathering', async ({
  page,
  context,
  doorbook,
  desk,
}) => {
  const { gathering, people, someone } = await night(desk, { people: 20 });
  const { token } = await desk.ok<DoorToken>(
    'POST',
    `/api/events/${gathering.id}/door-tokens/`,
    doorToken('supervisor'),
  );
  await desk.scan(gathering.id, arrival(people[0]?.code ?? ''));
  await signIn(context, doorbook, token);
  await page.goto(`/gatherings/${gathering.id}?person=${someone.id}`);
  await shows(page, 'live');
  expect(await pagesOf(page)).not.toContain('Settings');
  await page.getByTestId('undo').click();
  await expect(page.getByLabel('Reason (needed)')).toBeVisible();
});

test('an auditor reads the history and acts nowhere', async ({ page, context, doorbook, desk }) => {
  const { gathering, someone } = await night(desk, { people: 20 });
  await signIn(context, doorbook, AUDITOR);
  await page.goto(`/gatherings/${gathering.id}?person=${someone.id}`);
  await shows(page, 'live');
  await expect(page.getByText('You see this gathering, but do not act in it.')).toBeVisible();
  expect(await offered(page)).toEqual([]);
  await page.goto(`/gatherings/${gathering.id}/history`);
  await expect(page.getByTestId('history-row').first()).toBeVisible();
});

test('somebody without any right sees no gathering, and a link to one says so', async ({
  page,
  context,
  doorbook,
  desk,
}) => {
  const { gathering } = await night(desk, { people: 10 });
  await signIn(context, doorbook, { sub: 'stranger' });
  await page.goto('/');
  await expect(page.getByText('No gatherings yet')).toBeVisible();
  await page.goto(`/gatherings/${gathering.id}`);
  await expect(page.getByText('This gathering cannot be shown')).toBeVisible();
  await expect(page.getByText(gathering.name)).toBeHidden();
});

test('a door token that is taken back stops the page at once', async ({ page, doorbook, desk }) => {
  const { gathering, people } = await night(desk, { people: 20 });
  const { token, jti } = await desk.ok<DoorToken>(
    'POST',
    `/api/events/${gathering.id}/door-tokens/`,
    doorToken('steward'),
  );
  const door = await elsewhere(page, doorbook, token);
  await door.goto(`/gatherings/${gathering.id}`);
  await shows(door, 'live');
  await desk.ok('DELETE', `/api/events/${gathering.id}/door-tokens/${jti}/`);
  await expect(door.getByText(/no longer|Sign in/).first()).toBeVisible();
  const { offset } = await admit(desk, gathering.id, people.at(-3)?.code ?? '');
  await expect(door.locator(`[data-offset="${offset}"]`)).toHaveCount(0);
  await door.context().close();
});
