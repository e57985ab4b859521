// An auditor takes the history home: the files are opened as others open them, and hold every entry once.

import type { Download, Page } from '@playwright/test';
import { readFileSync } from 'node:fs';

import type { Api, Entry } from '../harness/api.ts';
import { night } from '../harness/night.ts';
import { FORMULA, MARKUP } from '../harness/people.ts';
import { readCsv, readXlsx, type Row } from '../harness/sheets.ts';
import { expect, signIn, test } from '../harness/stage.ts';

async function takeFile(page: Page): Promise<Buffer> {
  const [file]: [Download, void] = await Promise.all([
    page.waitForEvent('download'),
    page.getByTestId('export').click(),
  ]);
  expect(await file.failure()).toBeNull();
  return readFileSync(await file.path());
}

/** The file came with what was there then; taking it is an entry itself. */
async function entriesUpTo(api: Api, gathering: string, last: number): Promise<Entry[]> {
  return (await api.history(gathering)).filter(({ offset }) => offset <= last);
}

/** Rows by the names of their columns; what begins with # is the checkpoint. */
function tableOf(rows: readonly Row[]): Record<string, string>[] {
  const [names = [], ...rest] = rows;
  return rest
    .filter(([first]) => first !== undefined && !first.startsWith('#'))
    .map((row) => Object.fromEntries(names.map((name, at) => [name, row[at] ?? ''])));
}

test.beforeEach(({ context, doorbook, organizer }) => signIn(context, doorbook, organizer));

for (const [format, open] of [
  ['CSV', (file: Buffer): Record<string, string>[] => tableOf(readCsv(file.toString('utf8')))],
  ['Excel (XLSX)', (file: Buffer): Record<string, string>[] => tableOf(readXlsx(file))],
  [
    'NDJSON',
    (file: Buffer): Record<string, string>[] =>
      file
        .toString('utf8')
        .split('\n')
        .filter((line) => line.startsWith('{"offset"'))
        .map((line) => JSON.parse(line) as Record<string, string>),
  ],
] as const) {
  test(`the history as ${format} holds every entry once, and names as text`, async ({
    page,
    desk,
  }) => {
    const { gathering, people, prefix } = await night(desk, { people: 120 });
    await page.goto(`/gatherings/${gathering.id}/history?view=export`);
    await page.getByRole('radio', { name: format }).check();
    await page.getByRole('radio', { name: 'All, with names and e-mail' }).check();
    const rows = open(await takeFile(page));
    const offsets = rows.map(({ offset }) => Number(offset));
    const entries = await entriesUpTo(desk, gathering.id, Math.max(...offsets));
    expect(offsets).toEqual(entries.map(({ offset }) => offset));
    expect(rows.map(({ type }) => type)).toEqual(entries.map(({ type }) => type));
    expect(rows.length).toBeGreaterThan(people.length * 1.5);

    const named = (at: number): Record<string, string> | undefined =>
      rows.find(
        ({ type, event_pax_id }) =>
          type === 'participant_registered' && event_pax_id === `${prefix}-0000${at}`,
      );
    expect(named(1)).toMatchObject(MARKUP);
    const formula = named(2);
    // A spreadsheet would run what begins with = or +; in CSV it is kept from that by an apostrophe.
    const harmless = (text: string): string => (format === 'CSV' ? `'${text}` : text);
    expect(formula?.['first_name']).toBe(harmless(FORMULA.first_name));
    expect(formula?.['last_name']).toBe(harmless(FORMULA.last_name));
  });
}

test('a file holds what the filters show', async ({ page, desk }) => {
  const { gathering } = await night(desk, { people: 60 });
  await page.goto(`/gatherings/${gathering.id}/history?type=scan_refused&gate=South+gate`);
  await expect(page.getByTestId('history-row').first()).toBeVisible();
  const shown = await page.getByTestId('history-row').count();
  await page.getByRole('link', { name: 'Export' }).click();
  const rows = tableOf(readCsv((await takeFile(page)).toString('utf8')));
  expect(rows.map(({ type, gate }) => [type, gate])).toEqual(
    Array.from({ length: shown }, () => ['scan_refused', 'South gate']),
  );
});

test('taking a file is in the history', async ({ page, desk, organizer }) => {
  const { gathering } = await night(desk, { people: 20 });
  await page.goto(`/gatherings/${gathering.id}/history?view=export`);
  await takeFile(page);
  const accesses = await desk.history(gathering.id, { type: 'personal_data_accessed' });
  expect(accesses.at(-1)).toMatchObject({
    accessed: { what: 'history_export', format: 'csv' },
    actor: { id: organizer.sub },
  });
});
