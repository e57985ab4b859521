// A page as somebody sees it, with a theme, a language, a screen and a direction; and what can be measured of it:
// what sticks out, what has jumped, which words it shows.

import type { Browser, Page } from '@playwright/test';

import type { Doorbook } from './doorbook.ts';
import type { Night } from './night.ts';
import type { Screen } from './screens.ts';
import { signIn } from './stage.ts';
import { SUPERUSER } from './tokens.ts';

export const PHONE = { width: 360, height: 740 };
export const DESK = { width: 1280, height: 800 };

export interface Look {
  viewport?: { width: number; height: number };
  colorScheme?: 'light' | 'dark';
  locale?: string;
}

export async function look(
  at: Screen,
  night: Night,
  browser: Browser,
  doorbook: Doorbook,
  how: Look,
): Promise<Page> {
  const context = await browser.newContext({
    baseURL: doorbook.url,
    timezoneId: 'Europe/Berlin',
    locale: 'en-GB',
    viewport: DESK,
    reducedMotion: 'reduce',
    ...how,
  });
  if (at.signedOut !== true) await signIn(context, doorbook, SUPERUSER);
  const page = await context.newPage();
  await watchShifts(page);
  await page.goto(at.path(night));
  await at.stands(page);
  return page;
}

export interface Shift {
  value: number;
  nodes: string[];
}

/** What has moved without being asked to, since the page was opened. */
export function shiftsOf(page: Page): Promise<Shift[]> {
  return page.evaluate(() => (globalThis as unknown as { shifts: Shift[] }).shifts);
}

async function watchShifts(page: Page): Promise<void> {
  await page.addInitScript(() => {
    type Entry = PerformanceEntry & {
      value: number;
      hadRecentInput: boolean;
      sources: { node?: Node }[];
    };
    const shifts: Shift[] = [];
    Object.assign(globalThis, { shifts });
    const said = ({ node }: { node?: Node }): string =>
      node instanceof Element ? node.outerHTML.slice(0, 80) : (node?.textContent ?? 'gone');
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as Entry[]) {
        if (entry.hadRecentInput) continue;
        shifts.push({ value: entry.value, nodes: entry.sources.map(said) });
      }
    }).observe({ type: 'layout-shift', buffered: true });
  });
}

/** What makes the page wider than its window; nothing, when it is not. */
export function overflowOf(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const { clientWidth, scrollWidth } = document.documentElement;
    if (scrollWidth <= clientWidth) return [];
    const isBeyond = (element: Element): boolean => {
      const { left, right, width } = element.getBoundingClientRect();
      return width > 0 && (right > clientWidth + 1 || left < -1);
    };
    const wide = [...document.querySelectorAll('body *')].filter(isBeyond);
    const shown = wide.slice(0, 8).map((element) => element.outerHTML.slice(0, 120));
    return [`${scrollWidth} px in ${clientWidth} px`, ...shown];
  });
}

/** What headings, buttons, labels and columns say. */
export async function wordsOf(page: Page): Promise<string[]> {
  const places = 'h1, h2, h3, button, summary, label > span, th, dt, legend, nav a, [role="tab"]';
  const texts = await page.locator(places).allInnerTexts();
  return texts.map((text) => text.trim()).filter((text) => /[A-Za-z]{3}/.test(text));
}
