// What changes a gathering and the people in it: an import that is looked at first, a door token that signs a device
// in, somebody who is erased.

import type { Locator } from '@playwright/test';

import { admit, invited } from '../harness/night.ts';
import { attendeeList, person } from '../harness/people.ts';
import { elsewhere, expect, signIn, test } from '../harness/stage.ts';
import { SUPERUSER } from '../harness/tokens.ts';

test('an import is shown before it is done, names the bad lines, and adds nobody twice', async ({
  page,
  context,
  doorbook,
  desk,
  organizer,
}) => {
  const { gathering, prefix } = await invited(desk, { people: 5 });
  await signIn(context, doorbook, organizer);
  await page.goto(`/gatherings/${gathering.id}/settings`);
  const people = Array.from({ length: 30 }, (_, at) => person(prefix, at + 5));
  const list = `${attendeeList(people)}"Nobody","At all","this is no address","${prefix}-X",""\r\n`;
  const file = { name: 'guests.csv', mimeType: 'text/csv', buffer: Buffer.from(list) };
  await page.getByTestId('import-file').setInputFiles(file);
  await expect(page.getByTestId('import-result')).toHaveAttribute('data-dry-run', 'true');
  await expect(page.getByTestId('import-accepted')).toHaveText('30');
  await expect(page.getByTestId('import-rejected')).toHaveText('1');
  await expect(page.getByTestId('import')).toContainText('32');
  expect((await desk.gathering(gathering.id)).participant_count, 'nothing yet').toBe(5);

  await page.getByTestId('import-go').click();
  await expect(page.getByTestId('import-result')).toHaveAttribute('data-dry-run', 'false');
  expect((await desk.gathering(gathering.id)).participant_count).toBe(35);

  await page.reload();
  await page.getByTestId('import-file').setInputFiles(file);
  await expect(page.getByTestId('import-unchanged')).toHaveText('30');
  await expect(page.getByTestId('import-go')).toBeDisabled();
});

test('a door token that is made in the page signs a device in, and is shown once', async ({
  page,
  context,
  doorbook,
  desk,
  organizer,
}) => {
  const { gathering } = await invited(desk, { people: 5 });
  await signIn(context, doorbook, organizer);
  await page.goto(`/gatherings/${gathering.id}/settings`);
  const tokens = page.getByTestId('door-tokens');
  await tokens.getByLabel('Name').fill('North gate phone');
  await tokens.getByRole('button', { name: 'Make a door token' }).click();
  await page.keyboard.press('Escape');
  const made = tokens.getByTestId('minted-token');
  const token = /[\w-]+\.[\w-]+\.[\w-]+/.exec(
    (await made.innerText()) + (await valuesIn(made)),
  )?.[0];
  if (token === undefined) throw new Error('no token was shown');
  const device = await elsewhere(page, doorbook, token);
  await device.goto('/');
  await expect(device.getByRole('link', { name: gathering.name })).toBeVisible();
  await page.reload();
  await expect(tokens).toContainText('North gate phone');
  await expect(page.locator('body')).not.toContainText(token);
  await device.context().close();
});

test('somebody is erased only after their code was typed, and then found nowhere', async ({
  page,
  context,
  doorbook,
  api,
}) => {
  const { gathering, people } = await invited(api, { people: 12 });
  const guest = people[8];
  if (guest === undefined) throw new Error('nobody is invited');
  await admit(api, gathering.id, guest.code);
  await signIn(context, doorbook, SUPERUSER);
  const addresses: string[] = [];
  page.on('request', (request) => addresses.push(decodeURIComponent(request.url())));
  await page.goto('/admin');
  await page.getByTestId('erase-code').fill(guest.code);
  await page.getByTestId('erase-code').press('Enter');
  await expect(page.getByTestId('person-name')).toContainText(guest.last_name);
  await page.getByTestId('erase-open').click();
  await page.getByTestId('erase-typed').fill(`${guest.code}?`);
  await expect(page.getByTestId('erase-confirm')).toBeDisabled();
  await page.getByTestId('erase-typed').fill(guest.code);
  await page.getByTestId('erase-confirm').click();
  await expect(page.getByTestId('erase-result')).toContainText('Erased at offset');
  await expect(page.getByTestId('erase-result')).toContainText('name, e-mail and note are empty');
  expect(addresses.filter((address) => address.includes(guest.email))).toEqual([]);
  expect(await api.participants(gathering.id, { q: guest.email })).toEqual([]);
  expect(await api.gathering(gathering.id)).toMatchObject({ checked_in_count: 1 });
  await page.goto(`/gatherings/${gathering.id}`);
  await page.getByRole('searchbox', { name: 'Search by name' }).fill(guest.email);
  await expect(page.getByText('Nobody fits this search.')).toBeVisible();
});

/** What stands in fields, which is no text of the page. */
function valuesIn(part: Locator): Promise<string> {
  return part
    .locator('input, textarea')
    .evaluateAll((fields) => fields.map((field) => (field as HTMLInputElement).value).join(' '));
}
