// What the tests read: files that a doorbook server gave out, of a log of 13 events with people at
// example.org, and of another log. `forged` is how they are spoilt.

import { readFileSync } from 'node:fs';

export function fixture(name: string): string {
  return readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'utf8');
}

export const KEY = fixture('log.vkey');
export const OTHER_KEY = fixture('other-log.vkey');
export const LATEST = fixture('latest.checkpoint');

/** A text with one line changed. */
export function withLine(text: string, line: number, change: (line: string) => string): string {
  return text
    .split('\n')
    .map((content, at) => (at === line ? change(content) : content))
    .join('\n');
}

export function withoutLine(text: string, line: number): string {
  return text
    .split('\n')
    .filter((_, at) => at !== line)
    .join('\n');
}

/** The text with each of its bytes changed, one at a time, to a neighbour and to another character. */
export function* withEachByteFlipped(text: string): Generator<{ at: number; forged: ArrayBuffer }> {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length; at++) {
    for (const mask of [0x01, 0x02, 0x20, 0x80]) {
      const forged = bytes.slice();
      forged[at] = (bytes[at] ?? 0) ^ mask;
      yield { at, forged: forged.buffer };
    }
  }
}
