// Many doors at once, which do not give up: each scan is sent until it is answered, whatever happens to the
// server meanwhile.

import type { Api } from './api.ts';
import { arrival, GATES } from './night.ts';

const DOORS = 6;

export interface Rush {
  /** Resolves when so many scans have been answered. */
  answered: (scans: number) => Promise<void>;
  over: Promise<void>;
}

/** Everybody comes in, and every third one goes out again at once. */
export function rush(api: Api, gathering: string, codes: readonly string[]): Rush {
  const waiting: { scans: number; done: () => void }[] = [];
  let answers = 0;
  let next = 0;
  const count = (): void => {
    answers += 1;
    for (const { scans, done } of waiting) if (answers >= scans) done();
  };
  const door = async (gate: string): Promise<void> => {
    for (let at = next++; at < codes.length; at = next++) {
      const code = codes[at] ?? '';
      await api.scan(gathering, arrival(code, gate));
      count();
      if (at % 3 !== 0) continue;
      await api.scan(gathering, arrival(code, gate, 'out'));
      count();
    }
  };
  const doors = Array.from({ length: DOORS }, (_, at) => door(GATES[at % GATES.length] ?? ''));
  return {
    answered: (scans) =>
      new Promise((done) => {
        if (answers >= scans) done();
        else waiting.push({ scans, done });
      }),
    over: Promise.all(doors).then(() => undefined),
  };
}
