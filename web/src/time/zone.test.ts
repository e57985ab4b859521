// A form's clock and the log's mean the same moment, on the days when clocks are changed, too.

import { expect, test } from 'vitest';
import { instantOf, localOf } from './zone';

test.each([
  ['2026-05-01T21:40', 'Europe/Berlin', '2026-05-01T19:40:00.000Z'],
  ['2026-01-01T00:00:30', 'Europe/Berlin', '2025-12-31T23:00:30.000Z'],
  ['2026-05-01T21:40', 'UTC', '2026-05-01T21:40:00.000Z'],
  ['2026-05-01T21:40', 'Asia/Kathmandu', '2026-05-01T15:55:00.000Z'],
  ['2026-05-01T21:40', 'Pacific/Kiritimati', '2026-05-01T07:40:00.000Z'],
  // Clocks go back at three: half past two comes twice, and the first is meant.
  ['2026-10-25T02:30', 'Europe/Berlin', '2026-10-25T00:30:00.000Z'],
  ['2026-10-25T03:30', 'Europe/Berlin', '2026-10-25T02:30:00.000Z'],
  // Clocks go forward at two: half past two never comes.
  ['2026-03-29T02:30', 'Europe/Berlin', '2026-03-29T01:30:00.000Z'],
  ['2026-03-29T01:59', 'Europe/Berlin', '2026-03-29T00:59:00.000Z'],
  ['2026-05-01T21:40', 'Not/AZone', '2026-05-01T21:40:00.000Z'],
])('%s in %s', (local, zone, instant) => {
  expect(instantOf(local, zone)).toBe(instant);
});

test('what is no moment is none', () => {
  for (const text of ['', '21:40', '2026-13-40T00:00', 'yesterday', '2026-05-01']) {
    expect(instantOf(text, 'UTC')).toBeNull();
  }
  expect(localOf('soon', 'UTC')).toBe('');
});

test('there and back again is where one was', () => {
  for (const zone of ['Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'UTC']) {
    for (let hour = 0; hour < 24 * 366; hour += 7) {
      const moment = new Date(Date.UTC(2026, 0, 1, hour, 17, 5)).toISOString();
      const back = instantOf(localOf(moment, zone), zone);
      // An hour that comes twice loses which of the two it was.
      if (back !== moment) expect(Date.parse(moment) - Date.parse(back ?? '')).toBe(3_600_000);
    }
  }
});
