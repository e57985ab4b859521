// The evacuation list: who is inside, ticked off, without the server too.

import { shows } from '../harness/handles.ts';
import { arrival, night } from '../harness/night.ts';
import { expect, signIn, test } from '../harness/stage.ts';

test.beforeEach(({ context, doorbook, organizer }) => signIn(context, doorbook, organizer));

test('the list holds exactly who is inside, and follows the doors', async ({ page, desk }) => {
  const { gathering } = await night(desk, { people: 60 });
  const inside = await desk.participants(gathering.id, { status: 'inside' });
  await page.goto(`/gatherings/${gathering.id}/evacuation`);
  await shows(page, 'live');
  await expect(page.getByTestId('count-inside')).toHaveText(String(inside.length));
  await desk.scan(gathering.id, arrival(inside[0]?.event_pax_id ?? '', 'Garden', 'out'));
  await expect(page.getByTestId('count-inside')).toHaveText(String(inside.length - 1));
  await page.emulateMedia({ media: 'print' });
  const sheet = page.getByTestId('print-sheet');
  for (const { user } of inside.slice(1)) await expect(sheet).toContainText(user?.last_name ?? '');
});

test('ticks, search and the list go on when the server is gone, and come back when the page is loaded anew', async ({
  page,
  doorbook,
  desk,
}) => {
  const { gathering } = await night(desk, { people: 40 });
  const inside = await desk.participants(gathering.id, { status: 'inside' });
  await page.goto(`/gatherings/${gathering.id}/evacuation`);
  await shows(page, 'live');
  await expect(page.getByText('opens without a connection')).toBeVisible();
  await page.getByTestId('evacuation-row').first().click();
  await expect(page.getByTestId('count-safe')).toHaveText('1');

  await doorbook.kill();
  await shows(page, 'reconnecting');
  await expect(page.getByText('The server cannot be reached.')).toBeVisible();
  await page.getByTestId('evacuation-row').nth(1).click();
  await expect(page.getByTestId('count-safe')).toHaveText('2');
  await page.reload();
  await shows(page, 'reconnecting');
  await expect(page.getByTestId('count-inside')).toHaveText(String(inside.length));
  await expect(page.getByTestId('count-safe')).toHaveText('2');

  await doorbook.restart();
  await shows(page, 'live');
  await expect(page.getByTestId('count-missing')).toHaveText(String(inside.length - 2));
});
