import { describe, expect, it } from 'vitest';
import type { Participant } from '../api/client';
import { folded, People } from './people';

function person(id: string, first: string, last: string, more: Partial<Participant> = {}) {
  return {
    id,
    event_id: 'g',
    event_pax_id: `T-${id}`,
    user: { first_name: first, last_name: last, email: `${id}@example.org` },
    status: 'registered',
    checked_in: false,
    entries: 0,
    offset: 1,
    ...more,
  } as Participant;
}

const ids = (rows: Participant[]) => rows.map((row) => row.id).join(' ');

describe('people', () => {
  it('stay sorted by last name, then first name, whoever is put among them', () => {
    const people = new People();
    people.putAll([person('c', 'Cem', 'Öz'), person('a', 'Zoë', 'Adler')]);
    people.put(person('b', 'Ada', 'Adler'));
    people.putAll([person('d', 'Dora', 'Meier'), person('e', 'Eva', 'Zander')]);
    expect(ids(people.all())).toBe('b a d c e');
  });

  it('keep the newer of two rows, in whichever order they come', () => {
    const people = new People();
    people.put(person('a', 'Ada', 'Adler', { offset: 7, checked_in: true }));
    people.putAll([person('a', 'Ada', 'Adler', { offset: 3 })]);
    expect(people.get('a')?.checked_in).toBe(true);
    people.putAll([person('a', 'Ada', 'Adler', { offset: 9 })]);
    expect(people.get('a')?.checked_in).toBe(false);
    expect(people.size).toBe(1);
    expect(people.all()).toHaveLength(1);
  });

  it('move when their name changes, and keep no trace of the old one', () => {
    const people = new People();
    people.putAll([person('a', 'Ada', 'Adler'), person('b', 'Bo', 'Berg')]);
    people.put(person('a', '', '', { offset: 2, status: 'erased' }));
    people.put(person('b', 'Bo', 'Aal', { offset: 2 }));
    expect(ids(people.all())).toBe('a b');
    expect(people.find('adler')).toEqual([]);
    expect(ids(people.find('aal'))).toBe('b');
  });

  it('are the same whether they came one by one or all at once', () => {
    const rows = Array.from({ length: 500 }, (_, n) =>
      person(`p${n}`, `F${(n * 7919) % 97}`, `L${(n * 104729) % 89}`, { offset: n }),
    );
    const [single, whole, halves] = [new People(), new People(), new People()];
    for (const row of rows) single.put(row);
    whole.putAll(rows);
    halves.putAll(rows.slice(0, 250));
    halves.putAll(rows.slice(200));
    expect(ids(single.all())).toBe(ids(whole.all()));
    expect(ids(halves.all())).toBe(ids(whole.all()));
  });

  it('say that they have changed', () => {
    const people = new People();
    const before = people.revision;
    people.put(person('a', 'Ada', 'Adler', { offset: 5 }));
    expect(people.revision).toBeGreaterThan(before);
    const then = people.revision;
    people.put(person('a', 'Ada', 'Adler', { offset: 4 }));
    expect(people.revision).toBe(then);
  });
});

describe('searching people', () => {
  const people = new People();
  people.putAll([
    person('a', 'Łukasz', 'Müller-Strauß'),
    person('b', 'Işıl', 'Ærø'),
    person('c', '李', '小龍'),
    person('d', 'Ana', 'Nuñez', { checked_in: true }),
  ]);

  it.each([
    ['muller', 'a'],
    ['STRAUSS lukasz', 'a'],
    ['isil aero', 'b'],
    ['小龍', 'c'],
    ['nunez ana', 'd'],
    ['t-b', 'b'],
    ['d@example', 'd'],
    ['  ', 'c d a b'],
    ['nobody', ''],
  ])('%j finds %j', (search, found) => {
    expect(ids(people.find(search)).split(' ').sort().join(' ')).toBe(
      found.split(' ').sort().join(' '),
    );
  });

  it('keeps only those whom the filter keeps', () => {
    expect(ids(people.find('', (row) => row.checked_in))).toBe('d');
  });

  it('folds what a text says, not how it is written', () => {
    expect(folded('ÉCOLE')).toBe('ecole');
    expect(folded('e\u0301cole')).toBe('ecole');
  });
});
