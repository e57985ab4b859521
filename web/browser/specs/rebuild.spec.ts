// A rebuild that an operator starts, watches and compares, while the doors go on.

import { expect, signIn, test } from '../harness/stage.ts';
import { admit, invited } from '../harness/night.ts';
import { countsBecome, openGathering } from '../harness/handles.ts';
import { elsewhere } from '../harness/stage.ts';
import { SUPERUSER } from '../harness/tokens.ts';

const PEOPLE = 8_000;

test('a rebuild shows its progress, switches to a new generation, and no page loses a number', async ({
  page,
  context,
  doorbook,
  api,
}) => {
  const { gathering, people } = await invited(api, { people: PEOPLE, details: { capacity: null } });
  await api.scanBatch(
    gathering.id,
    people.slice(0, PEOPLE - 20).map(({ code }) => ({
      code,
      direction: 'in',
      scan_id: `rebuild-${code}`,
      gate: 'North gate',
    })),
  );
  const live = await elsewhere(page, doorbook, SUPERUSER);
  await openGathering(live, gathering);
  await signIn(context, doorbook, SUPERUSER);
  await page.goto('/admin');
  const projection = page.getByTestId('projection-participants');
  const generation = Number(await projection.getByTestId('generation').innerText());
  const progress = await page.evaluateHandle(() => {
    const values: number[] = [];
    const look = (): void => {
      const bar = document.querySelector<HTMLProgressElement>(
        '[data-testid="projection-participants"] progress',
      );
      const value = bar?.position ?? NaN;
      if (!Number.isNaN(value) && value !== values.at(-1)) values.push(value);
    };
    new MutationObserver(look).observe(document.body, {
      subtree: true,
      childList: true,
      attributes: true,
    });
    return values;
  });
  await projection.getByRole('button', { name: 'Rebuild' }).click();
  for (const { code } of people.slice(-20)) await admit(api, gathering.id, code);
  await expect(projection).toContainText('Rebuilt and switched.');
  await expect(projection.getByTestId('generation')).toHaveText(String(generation + 1));
  await expect(projection.getByTestId('lag')).toHaveText('0');
  const seen = await progress.jsonValue();
  console.log(`progress of the rebuild as it was shown: ${seen.join(', ')}`);
  expect(seen.length, 'progress was shown').toBeGreaterThan(0);
  expect([...seen].sort((a, b) => a - b)).toEqual(seen);
  await countsBecome(live, { registered: PEOPLE, checked_in: PEOPLE, inside: PEOPLE });
  await live.context().close();
});

test('comparing says that no row differs, and switches nothing', async ({
  page,
  context,
  doorbook,
  api,
}) => {
  await invited(api, { people: 50 });
  await signIn(context, doorbook, SUPERUSER);
  await page.goto('/admin');
  const all = page.getByTestId('projection-all');
  const generation = await page
    .getByTestId('projection-participants')
    .getByTestId('generation')
    .innerText();
  await all.getByRole('button', { name: 'Compare' }).click();
  await expect(all).toContainText('No row differs from the live view.');
  await expect(page.getByTestId('projection-participants').getByTestId('generation')).toHaveText(
    generation,
  );
});
