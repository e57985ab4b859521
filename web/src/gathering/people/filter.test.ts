import { describe, expect, it } from 'vitest';
import type { Participant } from '../../api/client';
import { choicesOf, EVERYBODY, fits, isEverybody, sameChoices, WITHOUT } from './filter';
import { movedAt, nameOf, sortedNameOf, standingOf } from './standing';

const row = (more: object = {}) =>
  ({
    id: 'a',
    user: { first_name: 'Ada', last_name: 'Adler', email: null },
    status: 'registered',
    checked_in: false,
    entries: 0,
    ticket_type: null,
    last_gate: null,
    check_in_time: null,
    check_out_time: null,
    ...more,
  }) as unknown as Participant;

describe('where somebody is', () => {
  it.each<[object, string]>([
    [{}, 'not_yet'],
    [{ checked_in: true, entries: 1 }, 'inside'],
    [{ entries: 2 }, 'left'],
    [{ status: 'cancelled', entries: 1 }, 'cancelled'],
    [{ status: 'erased' }, 'erased'],
    [{ status: 'cancelled', checked_in: true, entries: 1 }, 'inside'],
  ])('%j is %s', (more, standing) => expect(standingOf(row(more))).toBe(standing));

  it('has a moment: the coming of who is inside, the going of who has left', () => {
    expect(movedAt(row())).toBe(null);
    expect(movedAt(row({ checked_in: true, check_in_time: 'in', check_out_time: null }))).toBe(
      'in',
    );
    expect(movedAt(row({ entries: 1, check_in_time: 'in', check_out_time: 'out' }))).toBe('out');
  });
});

describe('what somebody is called', () => {
  it('is the name, in either order, or a word where there is none', () => {
    expect(nameOf(row(), '–')).toBe('Ada Adler');
    expect(sortedNameOf(row(), '–')).toBe('Adler, Ada');
    const erased = row({ user: { first_name: null, last_name: null, email: null } });
    expect([nameOf(erased, '–'), sortedNameOf(erased, '–')]).toEqual(['–', '–']);
    expect(nameOf(row({ user: { first_name: '', last_name: 'Mono', email: null } }), '–')).toBe(
      'Mono',
    );
  });
});

describe('the filter', () => {
  const people = [
    row({ id: 'a', ticket_type: 'vip', last_gate: 'north', checked_in: true, entries: 1 }),
    row({ id: 'b', ticket_type: 'day' }),
    row({ id: 'c', last_gate: 'south', entries: 1 }),
  ];
  const shown = (filter: object) =>
    people
      .filter(fits({ ...EVERYBODY, ...filter }))
      .map(({ id }) => id)
      .join('');

  it.each([
    [{}, 'abc'],
    [{ standing: 'inside' }, 'a'],
    [{ standing: 'left' }, 'c'],
    [{ gate: 'north' }, 'a'],
    [{ ticketType: 'day' }, 'b'],
    [{ ticketType: WITHOUT }, 'c'],
    [{ ticketType: 'vip', standing: 'left' }, ''],
  ])('%j shows %j', (filter, found) => expect(shown(filter)).toBe(found));

  it('offers the gates and the tickets that there are', () => {
    expect(choicesOf(people)).toEqual({
      gates: ['north', 'south'],
      ticketTypes: ['day', 'vip', WITHOUT],
    });
    expect(choicesOf([row()]).ticketTypes).toEqual([]);
    expect(sameChoices(choicesOf(people), choicesOf(people))).toBe(true);
    expect(sameChoices(choicesOf(people), choicesOf([]))).toBe(false);
  });

  it('knows when it hides nobody', () => {
    expect(isEverybody(EVERYBODY)).toBe(true);
    expect(isEverybody({ ...EVERYBODY, gate: 'north' })).toBe(false);
  });
});
