// How the pages are tested: in a Chromium that is there already, two at a time, against real servers.
// A test that fails leaves a trace; none is tried twice.

import { defineConfig } from '@playwright/test';

import { BROWSER_ARGUMENTS, chromiumPath, OUT, UPDATE_PICTURES } from './harness/surroundings.ts';

export default defineConfig({
  testDir: 'specs',
  // Pictures are taken when they are wanted: they ask nothing that the other specs do not.
  testIgnore: UPDATE_PICTURES ? [] : 'pictures.spec.ts',
  outputDir: `${OUT}/results`,
  preserveOutput: 'failures-only',
  // Each with a server of its own.
  workers: 2,
  fullyParallel: false,
  retries: 0,
  forbidOnly: true,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  reporter: [['list']],
  use: {
    browserName: 'chromium',
    launchOptions: { executablePath: chromiumPath(), args: BROWSER_ARGUMENTS },
    viewport: { width: 1280, height: 800 },
    locale: 'en-GB',
    timezoneId: 'Europe/Berlin',
    colorScheme: 'light',
    trace: 'retain-on-failure',
    serviceWorkers: 'allow',
  },
});
