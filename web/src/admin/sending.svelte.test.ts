import { describe, expect, it } from 'vitest';
import { Sending } from './sending.svelte';

const answered = (status: number) => async () => ({ response: new Response(null, { status }) });
const lost = async (): Promise<never> => {
  throw new TypeError('network');
};

/** Sends, and gives the key that went out. */
async function keyOf(
  sending: Sending,
  content: unknown,
  answer: () => Promise<{ response: Response }>,
) {
  let sent = '';
  await sending.send(content, (key) => {
    sent = key;
    return answer();
  });
  return sent;
}

describe('the key of a command', () => {
  it('stays the same when it is sent again after a lost answer', async () => {
    const sending = new Sending();
    const first = await keyOf(sending, { capacity: 5 }, lost);
    expect(sending.problem?.status).toBe(0);
    expect(await keyOf(sending, { capacity: 5 }, answered(503))).toBe(first);
    expect(await keyOf(sending, { capacity: 5 }, answered(200))).toBe(first);
    expect(sending.problem).toBeNull();
  });

  it('is another once there was an answer, so that the same may be done twice', async () => {
    const sending = new Sending();
    const first = await keyOf(sending, 'rebuild', answered(202));
    const second = await keyOf(sending, 'rebuild', answered(409));
    const third = await keyOf(sending, 'rebuild', answered(202));
    expect(new Set([first, second, third]).size).toBe(3);
  });

  it('is another for other content', async () => {
    const sending = new Sending();
    const first = await keyOf(sending, { capacity: 5 }, lost);
    expect(await keyOf(sending, { capacity: 6 }, lost)).not.toBe(first);
  });
});

describe('sending', () => {
  it('gives the offset of the answer', async () => {
    const response = new Response(null, { status: 200, headers: { 'X-Offset': '42' } });
    const answer = await new Sending().send(null, async () => ({ data: 'done', response }));
    expect(answer).toEqual({ data: 'done', offset: 42 });
  });
});
