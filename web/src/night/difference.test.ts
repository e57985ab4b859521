import { describe, expect, it } from 'vitest';
import type { Participant } from '../api/client';
import { People } from '../feed/people';
import { comparedCounts, differenceOf } from './difference';

function person(id: string, isInside: boolean, offset = 1): Participant {
  return {
    id,
    event_id: 'g',
    event_pax_id: `T-${id}`,
    user: { first_name: 'Ana', last_name: `Name ${id}`, email: '' },
    status: 'registered',
    checked_in: isInside,
    entries: isInside ? 1 : 0,
    offset,
  };
}

function people(...rows: Participant[]): People {
  const all = new People();
  all.putAll(rows);
  return all;
}

const ids = (rows: Participant[]) => rows.map((row) => row.id);

describe('the difference', () => {
  it('is who came and who left, and nobody who stayed in or out', () => {
    const then = people(
      person('a', true),
      person('b', true),
      person('c', false),
      person('d', false),
    );
    const now = people(
      person('a', true),
      person('b', false),
      person('c', true),
      person('d', false),
    );
    const { came, gone } = differenceOf(then, now, '');
    expect(ids(came)).toEqual(['c']);
    expect(ids(gone)).toEqual(['b']);
  });

  it('counts who was not registered then, and who is not listed now', () => {
    const { came, gone } = differenceOf(people(person('x', true)), people(person('n', true)), '');
    expect(ids(came)).toEqual(['n']);
    expect(ids(gone)).toEqual(['x']);
  });

  it('can be searched', () => {
    const now = people(person('a', true), person('b', true));
    expect(ids(differenceOf(people(), now, 'ana b').came)).toEqual(['b']);
  });

  it('of the numbers has its sign', () => {
    const then = { inside: 10, checked_in: 12, registered: 50, capacity: null };
    const now = { inside: 4, checked_in: 40, registered: 50, capacity: null };
    expect(comparedCounts(then, now).map(({ change }) => change)).toEqual([-6, 28, 0]);
  });
});
