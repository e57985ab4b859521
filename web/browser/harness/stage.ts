// What a spec stands on: a server for the specs of a worker, callers with the rights that they need, and a page
// that is signed in by cookie. The server's last words are kept beside a failed test.

import { expect, test as base, type BrowserContext, type Page } from '@playwright/test';

import { Api } from './api.ts';
import { Doorbook } from './doorbook.ts';
import { SUPERUSER, type Claims } from './tokens.ts';

interface Stage {
  /** Whoever may do everything, over HTTP. */
  api: Api;
  /** An organizer of this test alone, who sees no gathering of the others. */
  organizer: Claims;
  /** The organizer, over HTTP. */
  desk: Api;
  /** Fails the test when a page throws or says something in its console that it should not. */
  complaints: string[];
}

/** What Chromium itself says of an answer that was not 2xx; the pages show those. */
const OF_THE_NETWORK = /^Failed to load resource|WebSocket connection to .* failed/;

export const test = base.extend<Stage, { doorbook: Doorbook }>({
  doorbook: [
    async ({}, use) => {
      const doorbook = await Doorbook.start();
      await use(doorbook);
      await doorbook.stop();
    },
    { scope: 'worker' },
  ],
  baseURL: async ({ doorbook }, use) => use(doorbook.url),
  api: async ({ doorbook }, use) => use(new Api(doorbook, SUPERUSER)),
  organizer: async ({}, use, info) =>
    use({ sub: `organizer-${info.testId}`, name: 'Olga Organizer', roles: ['creator'] }),
  desk: async ({ doorbook, organizer }, use) => use(new Api(doorbook, organizer)),
  complaints: [
    async ({ context, doorbook }, use, info) => {
      const complaints: string[] = [];
      context.on('weberror', (error) => complaints.push(`thrown: ${error.error().message}`));
      context.on('console', (message) => {
        if (['error', 'warning'].includes(message.type()) && !OF_THE_NETWORK.test(message.text()))
          complaints.push(`console: ${message.text()}`);
      });
      await use(complaints);
      if (info.status !== info.expectedStatus)
        await info.attach('server', { body: doorbook.said.join('\n'), contentType: 'text/plain' });
      expect(complaints, 'nothing thrown and nothing complained of in the page').toEqual([]);
    },
    { auto: true },
  ],
});

export { expect };

/** By cookie, as the pages themselves do it; the token is seen by no page. */
export async function signIn(
  context: BrowserContext,
  doorbook: Doorbook,
  who: Claims | string,
): Promise<void> {
  const token = typeof who === 'string' ? who : doorbook.token(who);
  const answer = await context.request.post(`${doorbook.url}/api/session`, { data: { token } });
  expect(answer.status(), 'signed in').toBe(200);
}

/** A page in its own window: other people's screens. */
export async function elsewhere(
  page: Page,
  doorbook: Doorbook,
  who: Claims | string,
): Promise<Page> {
  const browser = page.context().browser();
  if (browser === null) throw new Error('the page has no browser');
  const context = await browser.newContext({ baseURL: doorbook.url });
  await signIn(context, doorbook, who);
  return context.newPage();
}
