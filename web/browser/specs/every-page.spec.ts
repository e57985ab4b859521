// What must hold on every page: it is accessible in both themes, fits a phone, lets nothing jump, survives being
// mirrored, and speaks German.

import { AxeBuilder } from '@axe-core/playwright';
import type { Browser, Page } from '@playwright/test';

import type { Doorbook } from '../harness/doorbook.ts';
import { GATES, night, type Night } from '../harness/night.ts';
import { SCREENS, type Screen } from '../harness/screens.ts';
import { expect, signIn, test } from '../harness/stage.ts';
import { SUPERUSER } from '../harness/tokens.ts';

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const PHONE = { width: 360, height: 740 };
/** What counts as good in Core Web Vitals. */
const SHIFT_MAX = 0.1;

let evening: Night | undefined;

/** One for all that only look. */
test.beforeEach(async ({ api }) => {
  evening ??= await night(api, { name: 'Midsummer concert', people: 120 });
});

interface Look {
  viewport?: { width: number; height: number };
  colorScheme?: 'light' | 'dark';
  locale?: string;
}

async function open(
  screen: Screen,
  browser: Browser,
  doorbook: Doorbook,
  look: Look,
): Promise<Page> {
  if (evening === undefined) throw new Error('there is no night');
  const context = await browser.newContext({
    baseURL: doorbook.url,
    timezoneId: 'Europe/Berlin',
    reducedMotion: 'reduce',
    ...look,
  });
  if (screen.signedOut !== true) await signIn(context, doorbook, SUPERUSER);
  const page = await context.newPage();
  await watchShifts(page);
  await page.goto(screen.path(evening));
  await screen.stands(page);
  return page;
}

/** Sums what moves without being asked to. */
async function watchShifts(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const shifts: { value: number; nodes: string[] }[] = [];
    Object.assign(globalThis, { shifts });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as (PerformanceEntry & {
        value: number;
        hadRecentInput: boolean;
        sources: { node?: Element }[];
      })[]) {
        if (entry.hadRecentInput) continue;
        const nodes = entry.sources.map(({ node }) => node?.outerHTML?.slice(0, 80) ?? 'gone');
        shifts.push({ value: entry.value, nodes });
      }
    }).observe({ type: 'layout-shift', buffered: true });
  });
}

async function overflow(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const { clientWidth, scrollWidth } = document.documentElement;
    if (scrollWidth <= clientWidth) return [];
    const beyond = (element: Element): boolean => {
      const { left, right, width } = element.getBoundingClientRect();
      return width > 0 && (right > clientWidth + 1 || left < -1);
    };
    const wide = [...document.querySelectorAll('body *')]
      .filter(beyond)
      .map((element) => element.outerHTML.slice(0, 120));
    return [`${scrollWidth} px in ${clientWidth} px`, ...wide.slice(0, 8)];
  });
}

for (const screen of SCREENS) {
  for (const colorScheme of ['light', 'dark'] as const) {
    test(`${screen.name} has no finding of axe in the ${colorScheme} theme`, async ({
      browser,
      doorbook,
    }) => {
      const page = await open(screen, browser, doorbook, { colorScheme });
      const { violations } = await new AxeBuilder({ page }).withTags(RULES).analyze();
      const findings = violations.map(({ id, help, nodes }) => ({
        id,
        help,
        nodes: nodes.map(
          ({ html, failureSummary }) => `${html.slice(0, 160)} ${failureSummary ?? ''}`,
        ),
      }));
      expect(findings).toEqual([]);
      await page.context().close();
    });
  }

  test(`${screen.name} fits a phone of ${PHONE.width} pixels, and is accessible there`, async ({
    browser,
    doorbook,
  }) => {
    const page = await open(screen, browser, doorbook, { viewport: PHONE });
    expect(await overflow(page)).toEqual([]);
    const { violations } = await new AxeBuilder({ page }).withTags(RULES).analyze();
    expect(
      violations.map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html.slice(0, 160))]),
    ).toEqual([]);
    await page.context().close();
  });

  test(`${screen.name} lets nothing jump while it loads`, async ({ browser, doorbook }) => {
    const page = await open(screen, browser, doorbook, {});
    await page.waitForLoadState('networkidle');
    const shifts = await page.evaluate(
      () => (globalThis as unknown as { shifts: { value: number; nodes: string[] }[] }).shifts,
    );
    const sum = shifts.reduce((total, { value }) => total + value, 0);
    expect(sum, JSON.stringify(shifts)).toBeLessThan(SHIFT_MAX);
    await page.context().close();
  });

  test(`${screen.name} can be mirrored for languages from right to left`, async ({
    browser,
    doorbook,
  }) => {
    for (const viewport of [{ width: 1280, height: 800 }, PHONE]) {
      const page = await open(screen, browser, doorbook, { viewport });
      await page.evaluate(() => document.documentElement.setAttribute('dir', 'rtl'));
      expect(await overflow(page)).toEqual([]);
      await page.context().close();
    }
  });

  test(`${screen.name} speaks German and fits in it`, async ({ browser, doorbook }) => {
    const english = await open(screen, browser, doorbook, { locale: 'en-GB', viewport: PHONE });
    const words = await spoken(english);
    await english.context().close();
    const german = await open(screen, browser, doorbook, { locale: 'de-DE', viewport: PHONE });
    await expect(german.locator('html')).toHaveAttribute('lang', 'de');
    expect(await overflow(german)).toEqual([]);
    const same = (await spoken(german)).filter((text) => words.includes(text));
    expect(
      same.filter((text) => !THE_SAME.has(text)),
      'texts that are English still',
    ).toEqual([]);
    await german.context().close();
  });
}

/** Words that German has, too, and what people named. */
const THE_SAME = new Set([
  ...[
    'doorbook',
    'Administration',
    'Status',
    'Name',
    'Version',
    'Offset',
    'Live',
    'CSV',
    'NDJSON',
    'XLSX',
  ],
  ...['Ruth Root', 'Midsummer concert', ...GATES],
]);

/** What headings, buttons, labels and columns say. */
async function spoken(page: Page): Promise<string[]> {
  const texts = await page
    .locator('h1, h2, h3, button, summary, label > span, th, dt, legend, nav a, [role="tab"]')
    .allInnerTexts();
  return texts.map((text) => text.trim()).filter((text) => /[A-Za-z]{3}/.test(text));
}
