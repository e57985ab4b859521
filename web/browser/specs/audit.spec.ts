// The auditor's desk against the API: filters, everything about one ticket, moments, and proofs that the browser
// checks itself, and finds wrong when they are.

import type { Page } from '@playwright/test';

import { Chance } from '../harness/chance.ts';
import { numberIn } from '../harness/handles.ts';
import { night } from '../harness/night.ts';
import { expect, signIn, test } from '../harness/stage.ts';
import { AUDITOR } from '../harness/tokens.ts';

const offsetsShown = async (page: Page): Promise<number[]> => {
  const rows = await page.getByTestId('history-row').all();
  return Promise.all(rows.map(async (row) => Number(await row.getAttribute('data-offset'))));
};

test('the history shows what the log holds, page after page', async ({
  page,
  context,
  doorbook,
  desk,
  organizer,
}) => {
  const { gathering } = await night(desk, { people: 150 });
  await signIn(context, doorbook, organizer);
  const entries = await desk.history(gathering.id);
  await page.goto(`/gatherings/${gathering.id}/history`);
  const seen: number[] = [];
  for (;;) {
    await expect(page.getByTestId('history-row').first()).toBeVisible();
    await expect(page.locator('[aria-busy="true"]')).toHaveCount(0);
    seen.push(...(await offsetsShown(page)));
    const next = page.getByTestId('history-next').first();
    if (seen.length >= entries.length || !(await next.isEnabled())) break;
    await next.click();
    await expect(page.locator(`[data-offset="${seen.at(-1) ?? 0}"]`)).toHaveCount(0);
  }
  expect([...seen].sort((a, b) => a - b)).toEqual(entries.map(({ offset }) => offset));
});

test('a filter shows the entries that the API gives for it', async ({
  page,
  context,
  doorbook,
  desk,
  organizer,
}) => {
  const { gathering } = await night(desk, { people: 80 });
  await signIn(context, doorbook, organizer);
  for (const query of [
    { type: 'scan_refused' },
    { gate: 'Garden', type: 'participant_checked_out' },
    { type: 'scan_undone' },
  ]) {
    const wanted = await desk.history(gathering.id, query);
    expect(wanted.length).toBeGreaterThan(0);
    await page.goto(`/gatherings/${gathering.id}/history?${new URLSearchParams(query).toString()}`);
    await expect(page.getByTestId('history-row')).toHaveCount(wanted.length);
    expect((await offsetsShown(page)).sort((a, b) => a - b)).toEqual(
      wanted.map(({ offset }) => offset),
    );
  }
});

test('everything about a ticket is its registration, its scans, its refusals and what was taken back', async ({
  page,
  context,
  doorbook,
  desk,
  organizer,
}) => {
  const { gathering, people } = await night(desk, { people: 40 });
  const code = people.at(-1)?.code ?? '';
  await signIn(context, doorbook, organizer);
  await page.goto(`/gatherings/${gathering.id}/history`);
  await page.getByTestId('filter-participant').fill(code);
  await page.getByTestId('filter-participant').press('Enter');
  await expect(page.getByTestId('ticket-story')).toContainText(code);
  await expect(page.getByTestId('history-row')).toHaveCount(3);
  const types = await page
    .getByTestId('history-row')
    .evaluateAll((rows) => rows.map((row) => (row as HTMLElement).dataset['type']));
  expect(types.sort()).toEqual(['participant_checked_in', 'participant_registered', 'scan_undone']);
  expect(page.url(), 'the ticket code is a secret').not.toContain(code);
});

test('as of a random entry the desk shows what the API says of it', async ({
  page,
  context,
  doorbook,
  desk,
  organizer,
}) => {
  const { gathering, invitedAt, offset } = await night(desk, { people: 60 });
  await signIn(context, doorbook, organizer);
  const chance = Chance.fromEnvironment();
  console.log(`SEED=${chance.seed}`);
  for (let round = 0; round < 5; round += 1) {
    const at = invitedAt + chance.below(offset - invitedAt);
    const then = await desk.gathering(gathering.id, at);
    await page.goto(`/gatherings/${gathering.id}/history?view=as-of&at=${at}`);
    const result = page.getByTestId('as-of-result');
    for (const [row, count] of [
      ['Registered', then.participant_count],
      ['Came in at least once', then.checked_in_count],
      ['Inside', then.inside_count],
    ] as const) {
      const cell = result
        .getByRole('row', { name: new RegExp(`^${row}`) })
        .getByRole('cell')
        .first();
      await expect
        .poll(async () => numberIn(await cell.innerText()), { message: `${row} at ${at}` })
        .toBe(count);
    }
  }
});

test('the browser proves an entry by itself, and finds a proof wrong that was changed by one letter', async ({
  page,
  context,
  doorbook,
  api,
}) => {
  const { gathering, offset } = await night(api, { people: 20 });
  await signIn(context, doorbook, AUDITOR);
  await page.goto(`/gatherings/${gathering.id}/history?view=proofs`);
  await page.getByTestId('verify-offset').fill(String(offset));
  await page.getByTestId('verify').click();
  await expect(page.getByTestId('verify-result')).toContainText('Proven: entry');

  const proof = await (await api.answer('GET', `/api/log/proof/${offset}`)).text();
  const key = await (await api.answer('GET', '/api/log/key')).text();
  const at = proof.indexOf('\n', proof.indexOf('\n') + 1) - 3;
  const forged = proof.slice(0, at) + (proof.charAt(at) === 'A' ? 'B' : 'A') + proof.slice(at + 1);
  for (const [text, verdict] of [
    [proof, 'Proven: entry'],
    [forged, 'Not proven'],
  ] as const) {
    await page.goto(`/gatherings/${gathering.id}/history?view=proofs&again=${verdict.length}`);
    await page.getByTestId('verify-files').setInputFiles([
      { name: 'entry.tlog-proof', mimeType: 'text/plain', buffer: Buffer.from(text) },
      { name: 'doorbook.vkey', mimeType: 'text/plain', buffer: Buffer.from(key) },
    ]);
    await expect(page.getByText(verdict).first()).toBeVisible();
  }
});

test('a checkpoint that was kept is shown to be the beginning of the log of now', async ({
  page,
  context,
  doorbook,
  api,
}) => {
  const { gathering } = await night(api, { people: 10 });
  const kept = await (await api.answer('GET', '/api/log/checkpoint')).text();
  await night(api, { people: 10 });
  await signIn(context, doorbook, AUDITOR);
  await page.goto(`/gatherings/${gathering.id}/history?view=proofs`);
  await page.getByTestId('kept-checkpoint').fill(kept);
  await page.getByTestId('verify-growth').click();
  await expect(page.getByText(/Proven: the log of/)).toBeVisible();
});
