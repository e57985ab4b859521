// The budgets: what the pages may cost, measured in the browser against a server, and set against a reach. Not
// tests: a busy machine misses a reach with nothing broken.

import { defineConfig } from '@playwright/test';

import pages from './playwright.config.ts';

export default defineConfig(pages, {
  testDir: 'budgets',
  testMatch: '*.budget.ts',
  // One after the other: they would measure each other.
  workers: 1,
  timeout: 300_000,
  reporter: [['./budgets/table.ts']],
  use: { trace: 'off' },
});
