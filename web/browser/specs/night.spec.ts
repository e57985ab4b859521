// The night again: whatever moment the slider is put to, the page shows what the API answers as of it.

import type { Page } from '@playwright/test';

import type { Api } from '../harness/api.ts';
import { Chance } from '../harness/chance.ts';
import { countsBecome, shows } from '../harness/handles.ts';
import { countsOfLog } from '../harness/log.ts';
import { arrival, night, type Night } from '../harness/night.ts';
import { expect, signIn, test } from '../harness/stage.ts';

const MOMENTS = 12;

test.beforeEach(({ context, doorbook, organizer }) => signIn(context, doorbook, organizer));

async function openNight(page: Page, { gathering, offset }: Night): Promise<void> {
  await page.goto(`/gatherings/${gathering.id}/night?at=${offset}`);
  await shows(page, 'moment');
  await atOffset(page, offset);
}

const shownOffset = (page: Page) => page.getByTestId('moment-offset');

async function atOffset(page: Page, offset: number): Promise<void> {
  await expect(shownOffset(page)).toHaveText(String(offset));
  await expect(shownOffset(page)).toHaveAttribute('data-reading', 'false');
}

async function held(page: Page, api: Api, id: string, offset: number): Promise<void> {
  const then = await api.gathering(id, offset);
  const wanted = {
    registered: then.participant_count,
    checked_in: then.checked_in_count,
    inside: then.inside_count,
  };
  expect(await countsOfLog(api, id, offset), `the API and the log at ${offset}`).toEqual(wanted);
  await countsBecome(page, wanted);
  const { total } = await api.ok<{ total: number }>(
    'GET',
    `/api/events/${id}/arrivals/?as_of=${offset}`,
  );
  const chart = page.getByTestId('arrivals');
  if (total > 0)
    await expect(chart.getByRole('img', { name: new RegExp(`^${total} arrivals`) })).toBeVisible();
  else await expect(chart).toContainText('Nobody has arrived yet');
}

test('the slider at random moments shows what the API answers as of them', async ({
  page,
  desk,
}) => {
  const evening = await night(desk, { people: 60 });
  const { id } = evening.gathering;
  await openNight(page, evening);
  await page.getByTestId('moment-scale-events').click();
  const slider = page.getByTestId('moment-slider');
  const first = Number(await slider.getAttribute('min'));
  const chance = Chance.fromEnvironment();
  console.log(`SEED=${chance.seed}`);
  for (let round = 0; round < MOMENTS; round += 1) {
    const at = first + chance.below(evening.offset - first + 1);
    await slider.fill(String(at));
    await atOffset(page, at);
    await held(page, desk, id, at);
  }
  await expect(page).toHaveURL(/at=\d+$/);
});

test('arrow keys step from event to event, and the ends are the ends', async ({ page, desk }) => {
  const evening = await night(desk, { people: 20 });
  await openNight(page, evening);
  const slider = page.getByTestId('moment-slider');
  await slider.focus();
  for (const [key, offset] of [
    ['ArrowLeft', evening.offset - 1],
    ['ArrowLeft', evening.offset - 2],
    ['ArrowRight', evening.offset - 1],
    ['End', evening.offset],
  ] as const) {
    await slider.press(key);
    await atOffset(page, offset);
    await held(page, desk, evening.gathering.id, offset);
  }
});

test('playing ends with the newest event and says so, and goes on when there is another', async ({
  page,
  desk,
}) => {
  const evening = await night(desk, { people: 20 });
  const { id } = evening.gathering;
  // The last three things are close to each other, however long the evening was.
  await page.goto(`/gatherings/${id}/night?at=${evening.offset - 3}`);
  await atOffset(page, evening.offset - 3);
  await page.getByTestId('moment-speed-60').click();
  await page.getByTestId('moment-play').click();
  await atOffset(page, evening.offset);
  await held(page, desk, id, evening.offset);
  await expect(page.getByTestId('moment-words')).toHaveText(/This is the newest event/);
  const { offset } = await desk.scan(id, arrival(evening.people.at(-3)?.code ?? ''));
  await page.getByTestId('moment-forward').click();
  await atOffset(page, offset);
  await held(page, desk, id, offset);
});

test('what was different from now names who came since and who left', async ({ page, desk }) => {
  const evening = await night(desk, { people: 60 });
  const { id } = evening.gathering;
  const at = evening.invitedAt + 20;
  await page.goto(`/gatherings/${id}/night?at=${at}`);
  await atOffset(page, at);
  await page.getByTestId('moment-compare').click();
  const inside = async (asOf?: number): Promise<Set<string>> => {
    const query = { status: 'inside', ...(asOf !== undefined && { as_of: String(asOf) }) };
    return new Set((await desk.participants(id, query)).map((one) => one.id));
  };
  const [then, now] = [await inside(at), await inside()];
  const came = [...now].filter((one) => !then.has(one)).length;
  const gone = [...then].filter((one) => !now.has(one)).length;
  await expect(page.getByTestId('difference-came')).toHaveText(String(came));
  await expect(page.getByTestId('difference-gone')).toHaveText(String(gone));
  await expect(page.getByTestId('then-inside')).toHaveText(String(then.size));
  await expect(page.getByTestId('now-inside')).toHaveText(String(now.size));
});
