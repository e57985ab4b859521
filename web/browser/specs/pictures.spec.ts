// Pictures of each page in both themes, at a desk and, of the pages that are looked at there, on a phone. They go
// into the documentation when DOORBOOK_UPDATE is 1, and beside the results otherwise. A picture says how the pages
// look; whether they are right is asked by the other specs.

import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from '@playwright/test';

import { Api } from '../harness/api.ts';
import { look, PHONE } from '../harness/looks.ts';
import { arrival, night, type Night } from '../harness/night.ts';
import { SCREENS } from '../harness/screens.ts';
import { expect, test as stage } from '../harness/stage.ts';
import { OUT, PICTURES, UPDATE_PICTURES } from '../harness/surroundings.ts';
import { SUPERUSER } from '../harness/tokens.ts';

const FOLDER = UPDATE_PICTURES ? PICTURES : join(OUT, 'pages');
const BYTES_MAX = 160_000;
const ON_PHONES = ['sign-in', 'dashboard', 'gathering', 'person', 'evacuation', 'night', 'history'];
const ON_WALLS = ['dashboard', 'gathering'];
/** A little lower than a window usually is: less to carry in the repository. */
const DESK = { width: 1280, height: 670 };
const WALL = { width: 1920, height: 1080 };

const test = stage.extend<object, { evening: Night }>({
  evening: [
    async ({ doorbook }, use) => {
      const api = new Api(doorbook, SUPERUSER);
      await night(api, {
        name: 'Poetry in the garden',
        people: 90,
        seed: 3,
        minutes: 45,
        details: { capacity: 60 },
      });
      await night(api, {
        name: 'Annual meeting',
        people: 240,
        seed: 4,
        minutes: 200,
        share: 0.95,
        details: { capacity: 240 },
      });
      await api.createGathering('Winter market, a long way off, with a name that takes its room', {
        capacity: null,
      });
      const evening = await night(api, {
        people: 480,
        share: 0.8,
        minutes: 120,
        details: { capacity: 380 },
      });
      const late = evening.people[40]?.code ?? '';
      await api.scan(evening.gathering.id, { ...arrival(late, 'Garden'), mode: 'offline_fact' });
      await use(evening);
    },
    { scope: 'worker' },
  ],
});

// They only look, so they need not wait for each other.
test.describe.configure({ mode: 'parallel' });

async function take(page: Page, folder: string, name: string): Promise<number> {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name}.png`);
  await page.waitForLoadState('networkidle');
  await page.screenshot({ path, animations: 'disabled', caret: 'hide', scale: 'css' });
  return statSync(path).size;
}

for (const screen of SCREENS) {
  for (const colorScheme of ['light', 'dark'] as const) {
    test(`${screen.name} in the ${colorScheme} theme`, async ({ browser, doorbook, evening }) => {
      const sizes = [
        ...[{ suffix: '', viewport: DESK, folder: FOLDER }],
        ...(ON_PHONES.includes(screen.name)
          ? [{ suffix: '-phone', viewport: PHONE, folder: FOLDER }]
          : []),
        // Too large to be kept; to be looked at by whoever changes the page.
        ...(ON_WALLS.includes(screen.name)
          ? [{ suffix: '-wall', viewport: WALL, folder: join(OUT, 'pages') }]
          : []),
      ];
      for (const { suffix, viewport, folder } of sizes) {
        const page = await look(screen, evening, browser, doorbook, { colorScheme, viewport });
        const name = `${screen.name}-${colorScheme}${suffix}`;
        const bytes = await take(page, folder, name);
        if (UPDATE_PICTURES && viewport !== WALL)
          expect(bytes, `bytes of ${name}`).toBeLessThanOrEqual(BYTES_MAX);
        await page.context().close();
      }
    });
  }
}
