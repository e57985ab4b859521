// What must hold on every page: it is accessible in both themes, fits every screen, lets nothing jump, survives
// being mirrored, and speaks German.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from '@playwright/test';

import { Api } from '../harness/api.ts';
import { DESK, look, overflowOf, PHONE, shiftsOf, wordsOf } from '../harness/looks.ts';
import { GATES, night, type Night } from '../harness/night.ts';
import { SCREENS } from '../harness/screens.ts';
import { expect, test as stage } from '../harness/stage.ts';
import { PICTURES } from '../harness/surroundings.ts';
import { SUPERUSER } from '../harness/tokens.ts';

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
/** Phone, tablet, desk, wall. */
const WIDTHS = [360, 768, 1280, 1920] as const;
/** What counts as good in Core Web Vitals. */
const SHIFT_MAX = 0.1;

/** Words that German has, too, and what people named. */
const THE_SAME = new Set([
  ...['doorbook', 'Administration', 'Status', 'Name', 'Version', 'Offset', 'Live', 'Export'],
  ...[
    'CSV',
    'NDJSON',
    'XLSX',
    'Excel (XLSX)',
    'Ticket',
    'Server',
    'Log',
    'Generation',
    'Standard',
    'Student',
    'Speaker',
    'Press',
  ],
  ...['Ruth Root', 'Midsummer concert', ...GATES],
]);

/** One night for all that only look. */
const test = stage.extend<object, { evening: Night }>({
  evening: [
    async ({ doorbook }, use) => use(await night(new Api(doorbook, SUPERUSER), { people: 60 })),
    { scope: 'worker' },
  ],
});

// They only look, so they need not wait for each other.
test.describe.configure({ mode: 'parallel' });

async function findings(page: Page): Promise<unknown[]> {
  const { violations } = await new AxeBuilder({ page }).withTags(RULES).analyze();
  return violations.map(({ id, help, nodes }) => ({
    id,
    help,
    nodes: nodes.map(({ html, failureSummary }) => `${html.slice(0, 160)} ${failureSummary ?? ''}`),
  }));
}

for (const screen of SCREENS) {
  test(`${screen.name} has no finding of axe, in both themes and on a phone`, async ({
    browser,
    doorbook,
    evening,
  }) => {
    const page = await look(screen, evening, browser, doorbook, {});
    expect(await findings(page), 'light').toEqual([]);
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await findings(page), 'dark').toEqual([]);
    await page.setViewportSize(PHONE);
    expect(await findings(page), 'on a phone').toEqual([]);
    await page.context().close();
  });

  test(`${screen.name} fits every screen, mirrored too`, async ({ browser, doorbook, evening }) => {
    const page = await look(screen, evening, browser, doorbook, {});
    for (const direction of ['ltr', 'rtl']) {
      await page.evaluate((dir) => document.documentElement.setAttribute('dir', dir), direction);
      for (const width of WIDTHS) {
        await page.setViewportSize({ width, height: DESK.height });
        expect(await overflowOf(page), `${direction} at ${width}`).toEqual([]);
      }
    }
    await page.context().close();
  });

  for (const viewport of [DESK, PHONE]) {
    test(`${screen.name} lets nothing jump while it loads, ${viewport.width} wide`, async ({
      browser,
      doorbook,
      evening,
    }) => {
      const page = await look(screen, evening, browser, doorbook, { viewport });
      await page.waitForLoadState('networkidle');
      const shifts = await shiftsOf(page);
      const sum = shifts.reduce((total, { value }) => total + value, 0);
      expect(sum, JSON.stringify(shifts)).toBeLessThan(SHIFT_MAX);
      await page.context().close();
    });
  }

  test(`${screen.name} speaks German and fits in it`, async ({ browser, doorbook, evening }) => {
    const english = await look(screen, evening, browser, doorbook, {});
    const words = new Set(await wordsOf(english));
    await english.context().close();
    const german = await look(screen, evening, browser, doorbook, {
      locale: 'de-DE',
      viewport: PHONE,
    });
    await expect(german.locator('html')).toHaveAttribute('lang', 'de');
    expect(await overflowOf(german)).toEqual([]);
    const isOfPeople = (text: string): boolean =>
      evening.people.some(({ last_name }) => text.includes(last_name));
    const same = (await wordsOf(german)).filter(
      (text) => words.has(text) && !THE_SAME.has(text) && !isOfPeople(text),
    );
    expect(same, 'texts that are English still').toEqual([]);
    await german.context().close();
  });
}

test('every page is pictured in the documentation, in both themes', () => {
  const text = readFileSync(join(PICTURES, 'README.md'), 'utf8');
  for (const { name } of SCREENS)
    for (const theme of ['light', 'dark']) expect(text).toContain(`${name}-${theme}.png`);
});
