// Signing in by token and by link, and that neither stays anywhere but in the cookie that no script can read.

import type { BrowserContext, Page } from '@playwright/test';

import { shows } from '../harness/handles.ts';
import { Profile } from '../harness/profile.ts';
import { expect, signIn, test } from '../harness/stage.ts';

const SESSION = 'doorbook_session';

async function pasteToken(page: Page, token: string): Promise<void> {
  await page.getByLabel('Access token').fill(token);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
}

async function openMenu(page: Page, name: string): Promise<void> {
  await page.getByRole('banner').getByText(name, { exact: true }).click();
}

/** Everything in the page that a script could read the secret from. */
async function readableByScripts(page: Page): Promise<string> {
  return page.evaluate(() => {
    const values = [
      document.documentElement.outerHTML,
      location.href,
      document.cookie,
      document.referrer,
      window.name,
    ];
    const fields = [...document.querySelectorAll('input, textarea')].map(
      (field) => (field as HTMLInputElement).value,
    );
    const stores = [localStorage, sessionStorage].map((store) => JSON.stringify({ ...store }));
    const entries = performance.getEntriesByType('resource').map(({ name }) => name);
    return [...values, ...fields, ...stores, ...entries, JSON.stringify(history.state)].join('\n');
  });
}

async function sessionCookie(
  context: BrowserContext,
): Promise<{ httpOnly: boolean; sameSite: string; value: string }> {
  const cookie = (await context.cookies()).find(({ name }) => name === SESSION);
  if (cookie === undefined) throw new Error('there is no session cookie');
  return cookie;
}

test('a token that is pasted opens the dashboard and is then in the cookie alone', async ({
  page,
  context,
  doorbook,
  organizer,
}) => {
  const token = doorbook.token(organizer);
  await page.goto('/');
  await pasteToken(page, token);
  await shows(page, 'live');
  expect(new URL(page.url()).pathname).toBe('/');
  expect(await sessionCookie(context)).toMatchObject({
    httpOnly: true,
    sameSite: 'Strict',
    value: token,
  });
  expect(await readableByScripts(page)).not.toContain(token);
  await page.reload();
  await shows(page, 'live');
});

test('whoever opens another page signed out comes to it after signing in', async ({
  page,
  doorbook,
  desk,
  organizer,
}) => {
  const { id, name } = await desk.createGathering('Where I wanted to go');
  await page.goto(`/gatherings/${id}`);
  await pasteToken(page, doorbook.token(organizer));
  await expect(page).toHaveURL(`/gatherings/${id}`);
  await expect(page.getByRole('heading', { name })).toBeVisible();
});

test('a link signs in once, and is out of the address bar and the way back', async ({
  page,
  context,
  doorbook,
  desk,
  organizer,
}) => {
  const { link } = await desk.ok<{ link: string }>('POST', '/api/session/link', { body: {} });
  const asked: string[] = [];
  page.on('request', (request) => asked.push(request.url()));
  await page.goto(`/sign-in#link=${link}`);
  await shows(page, 'live');
  await expect(page).toHaveURL('/');
  expect(await sessionCookie(context)).toMatchObject({ httpOnly: true });
  expect(
    asked.filter((url) => !url.includes('#') && url.includes(link)),
    'no server sees it in an address',
  ).toEqual([]);
  expect(
    await page.evaluate(() => history.length),
    'nothing to go back to but the blank page',
  ).toBeLessThanOrEqual(2);
  await expect(page.getByRole('banner')).toContainText(organizer.name ?? '');
  expect(await readableByScripts(page)).not.toContain(link);

  await context.clearCookies();
  await page.goto('about:blank');
  await page.goto(`/sign-in#link=${link}`);
  await expect(page.getByText('This sign-in link has been used or has expired')).toBeVisible();
  await expect(page).toHaveURL('/sign-in');
  expect(doorbook.said.join('\n')).not.toContain(link);
});

test('a token that is wrong is refused in words, and can be tried again', async ({
  page,
  doorbook,
  organizer,
}) => {
  await page.goto('/sign-in');
  await pasteToken(page, 'a.b.c');
  await expect(page.getByText('This token is not valid here')).toBeVisible();
  await pasteToken(page, '');
  await expect(page.getByText('Paste the token first')).toBeVisible();
  await pasteToken(page, doorbook.token(organizer));
  await shows(page, 'live');
});

test('signing out ends the session and what it showed', async ({
  page,
  context,
  doorbook,
  desk,
  organizer,
}) => {
  const { name } = await desk.createGathering('Seen by those who are signed in');
  await page.goto('/');
  await pasteToken(page, doorbook.token(organizer));
  await expect(page.getByText(name)).toBeVisible();
  await openMenu(page, organizer.name ?? '');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page.getByLabel('Access token')).toBeVisible();
  await expect(page.getByText(name)).toBeHidden();
  expect(await context.cookies()).toEqual([]);
});

test('signing out ends what other tabs show, too', async ({
  page,
  context,
  doorbook,
  desk,
  organizer,
}) => {
  const { name } = await desk.createGathering('Seen in two tabs');
  await page.goto('/');
  await pasteToken(page, doorbook.token(organizer));
  const other = await context.newPage();
  await other.goto(doorbook.url);
  await expect(other.getByText(name)).toBeVisible();
  await openMenu(page, organizer.name ?? '');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(other.getByLabel('Access token')).toBeVisible();
  await expect(other.getByText(name)).toBeHidden();
});

test('nobody is told that they are signed out while the cookie is still there', async ({
  page,
  context,
  doorbook,
  organizer,
}) => {
  await page.goto('/');
  await pasteToken(page, doorbook.token(organizer));
  await openMenu(page, organizer.name ?? '');
  await context.setOffline(true);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page.getByText('You are not signed out yet.')).toBeVisible();
  expect(await context.cookies()).not.toEqual([]);
  await context.setOffline(false);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page.getByLabel('Access token')).toBeVisible();
  expect(await context.cookies()).toEqual([]);
});

test('a link that is opened in a tab that asks to sign in signs in there', async ({
  page,
  desk,
}) => {
  await page.goto('/sign-in');
  await expect(page.getByLabel('Access token')).toBeVisible();
  const { link } = await desk.ok<{ link: string }>('POST', '/api/session/link', { body: {} });
  await page.evaluate((code) => location.assign(`/sign-in#link=${code}`), link);
  await shows(page, 'live');
  expect(page.url()).not.toContain('link');
});

test('a session that runs out leads back to signing in, with the reason', async ({
  page,
  context,
  doorbook,
  organizer,
}) => {
  await signIn(context, doorbook, organizer);
  await page.goto('/');
  await shows(page, 'live');
  await context.clearCookies();
  await page.getByRole('button', { name: 'New gathering' }).click();
  await page.getByLabel('Name').fill('Too late');
  await page.getByLabel('Starts').fill('2026-05-01T18:00');
  await page.getByRole('dialog').getByRole('button', { name: 'New gathering' }).click();
  await expect(page.getByText('Your sign-in has ended')).toBeVisible();
});

// A browser writes down each address that it opens, before any script can take something out of it. Of a link that
// is its code, which signing in has used up.
test('no token is left in the profile of the browser, and of a link only what opens nothing', async ({
  doorbook,
  desk,
  organizer,
}, info) => {
  const token = doorbook.token(organizer);
  const { link } = await desk.ok<{ link: string }>('POST', '/api/session/link', { body: {} });
  const profile = new Profile(info.outputPath('profile'));
  const context = await profile.open(doorbook.url);
  const page = await context.newPage();
  await page.goto('/');
  await pasteToken(page, token);
  await shows(page, 'live');
  await context.clearCookies();
  await page.goto('about:blank');
  await page.goto(`/sign-in#link=${link}`);
  await shows(page, 'live');
  const { value: tokenOfLink } = await sessionCookie(context);
  await context.close();

  const found = (text: string): string => profile.filesWith(text).join(', ') || 'nowhere';
  expect(found(new URL(doorbook.url).host), 'the profile is that of this visit').toContain(
    'History',
  );
  console.log(`in the profile: the token ${found(token)}; the code of the link ${found(link)}`);
  expect(found(token)).toBe('nowhere');
  expect(found(tokenOfLink)).toBe('nowhere');
  const again = await fetch(`${doorbook.url}/api/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ link }),
  });
  expect(again.status, 'the code opens nothing').toBe(401);
});
