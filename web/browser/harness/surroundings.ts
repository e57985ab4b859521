// Where things are: the server's binary, the browser, and where tests may write. Each can be named by a
// variable; nothing here starts anything.

import { existsSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url));
const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** Everything that a run writes, servers' data included: a real disk, unlike what is often mounted at /tmp. */
export const OUT = resolve(process.env['DOORBOOK_TEST_OUT'] ?? join(REPOSITORY, 'target/browser'));
export const BINARY = resolve(process.env['DOORBOOK'] ?? join(REPOSITORY, 'target/debug/doorbook'));
/** Where the pictures of the pages are, for people who read the documentation. */
export const PICTURES = join(REPOSITORY, 'docs/pages');
export const UPDATE_PICTURES = process.env['DOORBOOK_UPDATE'] === '1';

/** Chromium as root has no sandbox to enter. */
export const BROWSER_ARGUMENTS = [
  '--disable-gpu',
  '--disable-dev-shm-usage',
  ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
];

export function chromiumPath(): string {
  const named = process.env['CHROMIUM'];
  if (named !== undefined) return named;
  const folders = ['/usr/bin', ...(process.env['PATH'] ?? '').split(delimiter)];
  const places = BROWSERS.flatMap((name) => folders.map((folder) => join(folder, name)));
  const found = places.find((place) => existsSync(place));
  if (found === undefined)
    throw new Error('there is no Chromium: make prepare installs it, or CHROMIUM names one');
  return found;
}
