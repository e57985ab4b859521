// A page in Debian's Chromium, headless, that the server answered; its scripts come from the repository, and
// everything else it asks for from the server.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

import { URL_OF_SERVER, mint } from './server.mjs';

const { chromium } = createRequire(import.meta.url)('playwright-core');

const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url));
const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
/** Below this the scripts are; the server has nothing there. */
const FILES = '/-/';

export async function openBrowser() {
  const executablePath = process.env.CHROMIUM ?? PLACES.find(existsSync);
  if (executablePath === undefined) throw new Error('there is no Chromium: make prepare installs it, or CHROMIUM names one');
  return chromium.launch({ executablePath, args: ['--disable-gpu', '--disable-dev-shm-usage'] });
}

/** A page that may import what is in the repository from below `/-/`. */
export async function openPage(browser) {
  const page = await browser.newPage();
  page.on('pageerror', (error) => {
    console.error(`in the page: ${error.stack}`);
    process.exit(1);
  });
  const below = URL_OF_SERVER + FILES;
  await page.route(`${below}**`, (route) => {
    const path = new URL(route.request().url()).pathname.slice(FILES.length);
    return route.fulfill({ path: REPOSITORY + path, contentType: 'text/javascript' });
  });
  // One of the server's own answers: a page that did not come from there is kept from connecting to this machine.
  await page.goto(`${URL_OF_SERVER}/healthz`);
  return page;
}

/** Signs the page in: from here on its cookie says who it is. */
export function signIn(page, token = mint()) {
  return page.evaluate(async (mine) => {
    const answer = await fetch('/api/session/', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ token: mine }) });
    if (!answer.ok) throw new Error(`sign-in: ${answer.status}`);
  }, token);
}
