// What the pages are taken hold of by: roles and names where people have them, too, test ids for bare numbers.

import { expect, type Locator, type Page } from '@playwright/test';

export type Shown = 'connecting' | 'catching_up' | 'live' | 'reconnecting' | 'stopped' | 'moment';

export interface Counts {
  registered: number;
  checked_in: number;
  inside: number;
}

export const freshness = (page: Page): Locator => page.getByTestId('freshness').first();

export const card = (page: Page, gathering: { id: string }): Locator =>
  page.locator(`[data-gathering="${gathering.id}"]`);

export async function shows(page: Page, state: Shown): Promise<void> {
  await expect(freshness(page)).toHaveAttribute('data-state', state, { timeout: 30_000 });
}

/** The numbers as they are read, whatever separates their thousands. */
export async function counts(within: Page | Locator): Promise<Counts> {
  const of = async (name: string): Promise<number> =>
    numberIn(await within.getByTestId(name).first().innerText());
  return {
    registered: await of('count-registered'),
    checked_in: await of('count-checked-in'),
    inside: await of('count-inside'),
  };
}

export function numberIn(text: string): number {
  const digits = /\d[\d.,\s\u202f\u00a0’]*/.exec(text)?.[0].replaceAll(/\D/g, '');
  if (digits === undefined) throw new Error(`there is no number in ${JSON.stringify(text)}`);
  return Number(digits);
}

/** Waits until the numbers are these: they come with the next frame, not with the answer. */
export async function countsBecome(within: Page | Locator, wanted: Partial<Counts>): Promise<void> {
  await expect.poll(() => counts(within), { timeout: 15_000 }).toMatchObject(wanted);
}

export async function openDashboard(page: Page): Promise<void> {
  await page.goto('/');
  await shows(page, 'live');
}

export async function openGathering(page: Page, gathering: { id: string }): Promise<void> {
  await page.goto(`/gatherings/${gathering.id}`);
  await shows(page, 'live');
}
