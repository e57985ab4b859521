// An export's address says what differs from what the server does anyway, and nothing else.

import { expect, test } from 'vitest';
import { COLUMNS, exportHref, USUAL, type Shape } from './columns';

const PLAIN: Shape = { format: 'csv', columns: USUAL, zone: 'UTC', bom: false, trailer: true };

test('all of a history', () => {
  expect(exportHref(null, {}, PLAIN)).toBe('/api/history?format=csv');
  expect(exportHref('g', { gate: 'north & south' }, PLAIN)).toBe(
    '/api/events/g/history?gate=north+%26+south&format=csv',
  );
});

test('columns, zone, mark and trailer where they are asked for', () => {
  const shape: Shape = {
    ...PLAIN,
    columns: ['offset', 'email'],
    zone: 'Europe/Berlin',
    bom: true,
    trailer: false,
  };
  expect(exportHref('g', {}, shape)).toBe(
    '/api/events/g/history?format=csv&columns=offset%2Cemail&tz=Europe%2FBerlin&bom=true&trailer=false',
  );
});

test('what a format does not have is not said of it', () => {
  const all: Shape = { ...PLAIN, zone: 'Europe/Berlin', bom: true, trailer: false };
  expect(exportHref('g', {}, { ...all, format: 'xlsx' })).toBe(
    '/api/events/g/history?format=xlsx&tz=Europe%2FBerlin',
  );
  expect(exportHref('g', {}, { ...all, format: 'ndjson' })).toBe(
    '/api/events/g/history?format=ndjson&trailer=false',
  );
});

test('all columns are asked for by name, since names of people are not usual', () => {
  expect(exportHref('g', {}, { ...PLAIN, columns: COLUMNS })).toContain(
    'first_name%2Clast_name%2Cemail',
  );
});
