import { describe, expect, it } from 'vitest';
import { pageOf } from './page';

describe('the page of a path', () => {
  it('is found with and without a slash at its end', () => {
    for (const end of ['', '/']) {
      expect(pageOf(`/gatherings/7${end}`)).toEqual({ name: 'gathering', id: '7' });
      expect(pageOf(`/gatherings/7/night${end}`)).toEqual({ name: 'night', id: '7' });
      expect(pageOf(`/audit${end}`)).toEqual({ name: 'audit' });
    }
    expect(pageOf('/')).toEqual({ name: 'dashboard' });
  });

  it('is none for a path that is no page', () => {
    for (const path of [
      '/nothing',
      '/gatherings',
      '/gatherings/7/nothing',
      '/audit/7',
      '/a/b/c/d',
    ]) {
      expect(pageOf(path)).toEqual({ name: 'not-found' });
    }
  });

  it('is none for what the language puts on every object', () => {
    expect(pageOf('/gatherings/7/constructor')).toEqual({ name: 'not-found' });
    expect(pageOf('/constructor')).toEqual({ name: 'not-found' });
  });
});
