import { beforeEach, describe, expect, it, vi } from 'vitest';
import { forgetAll, forgetOthers, keep, kept } from './kept';

/** As much of a browser's storage as is asked of it: its keys are its own. */
class Shelf {
  [key: string]: unknown;
}
Object.defineProperties(Shelf.prototype, {
  getItem: {
    value(this: Shelf, key: string) {
      return this[key] ?? null;
    },
  },
  setItem: {
    value(this: Shelf, key: string, text: string) {
      this[key] = text;
    },
  },
  removeItem: {
    value(this: Shelf, key: string) {
      delete this[key];
    },
  },
});

beforeEach(() => {
  vi.stubGlobal('sessionStorage', new Shelf());
});

describe('what a tab keeps', () => {
  it('carries who kept it', () => {
    expect(keep('list', 'ada', [1])).toBe(true);
    expect(kept('list')).toEqual({ sub: 'ada', value: [1] });
    expect(kept('other')).toBe(null);
  });

  it('is forgotten when somebody else is signed in, and stays for the same person', () => {
    keep('list', 'ada', [1]);
    keep('ticks', 'bob', [2]);
    sessionStorage.setItem('doorbook.kept.old', '[3]');
    sessionStorage.setItem('foreign', 'x');
    forgetOthers('bob');
    expect(Object.keys(sessionStorage)).toEqual(['doorbook.kept.ticks', 'foreign']);
  });

  it('is all forgotten at the end of the session', () => {
    keep('list', 'ada', [1]);
    forgetAll();
    expect(kept('list')).toBe(null);
  });

  it.each(['{', 'null', '[1]', '{"sub":1,"value":2}', '{"sub":"ada"}'])(
    'is nothing when it is broken: %s',
    (text) => {
      sessionStorage.setItem('doorbook.kept.list', text);
      expect(kept('list')).toBe(null);
    },
  );

  it('says when it could not be kept, and holds no older list instead', () => {
    keep('list', 'ada', [1]);
    const circle: unknown[] = [];
    circle.push(circle);
    expect(keep('list', 'ada', circle)).toBe(false);
    expect(kept('list')).toBe(null);
  });
});
