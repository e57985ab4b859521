// The pages that there are, each as somebody comes to it: its address, who may see it, and when it stands. What
// must hold on every page (accessible, no overflow, nothing that jumps) is asked of this list.

import { expect, type Page } from '@playwright/test';

import { shows } from './handles.ts';
import type { Night } from './night.ts';

export interface Screen {
  name: string;
  path: (night: Night) => string;
  /** Nobody is signed in. */
  signedOut?: true;
  /** Waits until everything is there. */
  stands: (page: Page) => Promise<void>;
}

const heading = async (page: Page): Promise<void> => {
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
};

const live = async (page: Page): Promise<void> => {
  await heading(page);
  await shows(page, 'live');
};

/** Nothing is on its way any more, and nothing says that it is waited for. */
const quiet = async (page: Page): Promise<void> => {
  await heading(page);
  await page.waitForLoadState('networkidle');
  await expect(page.getByText(/^(Loading|Wird geladen) …$/)).toHaveCount(0);
};

const of =
  (part: string) =>
  ({ gathering }: Night): string =>
    `/gatherings/${gathering.id}${part}`;

export const SCREENS: readonly Screen[] = [
  { name: 'sign-in', path: () => '/sign-in', signedOut: true, stands: heading },
  { name: 'dashboard', path: () => '/', stands: live },
  { name: 'gathering', path: of(''), stands: live },
  { name: 'person', path: personPath, stands: live },
  { name: 'evacuation', path: of('/evacuation'), stands: quiet },
  { name: 'night', path: nightPath, stands: quiet },
  { name: 'history', path: of('/history'), stands: quiet },
  { name: 'entry', path: entryPath, stands: quiet },
  { name: 'as-of', path: asOfPath, stands: quiet },
  { name: 'export', path: of('/history?view=export'), stands: quiet },
  { name: 'proofs', path: of('/history?view=proofs'), stands: quiet },
  { name: 'settings', path: of('/settings'), stands: quiet },
  { name: 'audit', path: () => '/audit', stands: quiet },
  { name: 'admin', path: () => '/admin', stands: quiet },
];

function personPath({ gathering, someone }: Night): string {
  return `/gatherings/${gathering.id}?person=${someone.id}`;
}

/** A little after the middle of what happened. */
function nightPath({ gathering, offset, invitedAt }: Night): string {
  return `/gatherings/${gathering.id}/night?at=${invitedAt + Math.floor((offset - invitedAt) * 0.6)}`;
}

/** The last thing that happened. */
function entryPath({ gathering, offset }: Night): string {
  return `/gatherings/${gathering.id}/history?entry=${offset}&after=${offset - 20}`;
}

function asOfPath({ gathering, invitedAt }: Night): string {
  return `/gatherings/${gathering.id}/history?view=as-of&at=${invitedAt + 20}`;
}
