import { describe, expect, it } from 'vitest';
import { identityIn, linkOf } from './identity';

const ORIGIN = 'https://door.example.org';
const TOKEN = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl';
const CODE = 'Zm9ydHktdHdvLWlzLWEtbnVtYmVy';

describe('what somebody signs in with', () => {
  it('is a token, also one that was wrapped or copied with its header', () => {
    expect(identityIn(TOKEN, ORIGIN)).toEqual({ token: TOKEN });
    expect(identityIn(`  Bearer ${TOKEN}\n`, ORIGIN)).toEqual({ token: TOKEN });
    expect(identityIn(`${TOKEN.slice(0, 20)}\n  ${TOKEN.slice(20)}`, ORIGIN)).toEqual({
      token: TOKEN,
    });
  });

  it('is a link of this server, or its code alone', () => {
    expect(identityIn(linkOf(CODE, ORIGIN), ORIGIN)).toEqual({ link: CODE });
    expect(identityIn(CODE, ORIGIN)).toEqual({ link: CODE });
  });

  it('is not a link of another server, nor of another page, nor just anything', () => {
    expect(identityIn(linkOf(CODE, 'https://evil.example.org'), ORIGIN)).toBeNull();
    expect(identityIn(`${ORIGIN}/audit#link=${CODE}`, ORIGIN)).toBeNull();
    expect(identityIn(`${ORIGIN}/sign-in`, ORIGIN)).toBeNull();
    for (const text of ['', ' ', 'hello', 'a.b', '<b>bold</b>']) {
      expect(identityIn(text, ORIGIN)).toBeNull();
    }
  });
});
