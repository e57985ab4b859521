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

export const SCREENS: readonly Screen[] = [
  { name: 'sign-in', path: () => '/sign-in', signedOut: true, stands: heading },
  { name: 'dashboard', path: () => '/', stands: live },
  { name: 'gathering', path: ({ gathering }) => `/gatherings/${gathering.id}`, stands: live },
  { name: 'person', path: personPath, stands: live },
  {
    name: 'evacuation',
    path: ({ gathering }) => `/gatherings/${gathering.id}/evacuation`,
    stands: heading,
  },
  { name: 'night', path: nightPath, stands: heading },
  {
    name: 'history',
    path: ({ gathering }) => `/gatherings/${gathering.id}/history`,
    stands: heading,
  },
  {
    name: 'settings',
    path: ({ gathering }) => `/gatherings/${gathering.id}/settings`,
    stands: heading,
  },
  { name: 'audit', path: () => '/audit', stands: heading },
  { name: 'admin', path: () => '/admin', stands: heading },
];

function personPath({ gathering, someone }: Night): string {
  return `/gatherings/${gathering.id}?person=${someone.id}`;
}

/** A little after the middle of what happened. */
function nightPath({ gathering, offset, invitedAt }: Night): string {
  return `/gatherings/${gathering.id}/night?at=${invitedAt + Math.floor((offset - invitedAt) * 0.6)}`;
}
