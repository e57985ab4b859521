import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { atMostEvery, oncePerFrame } from './frames';

describe('once per frame', () => {
  let frames: (() => void)[] = [];

  beforeEach(() => {
    vi.useFakeTimers();
    frames = [];
    vi.stubGlobal('document', { hidden: false });
    vi.stubGlobal('requestAnimationFrame', (frame: () => void) => frames.push(frame));
  });

  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it('calls once, however often it was asked', () => {
    const call = vi.fn();
    const ask = oncePerFrame(call);
    for (let n = 0; n < 200; n += 1) ask();
    expect(call).not.toHaveBeenCalled();
    for (const frame of frames.splice(0)) frame();
    expect(call).toHaveBeenCalledTimes(1);
    ask();
    for (const frame of frames.splice(0)) frame();
    expect(call).toHaveBeenCalledTimes(2);
  });

  it('goes on in the background, where there are no frames', () => {
    vi.stubGlobal('document', { hidden: true });
    const call = vi.fn();
    oncePerFrame(call)();
    vi.runAllTimers();
    expect(frames).toEqual([]);
    expect(call).toHaveBeenCalledTimes(1);
  });
});

describe('at most every so often', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('calls at once, then once for all that was asked meanwhile', async () => {
    const call = vi.fn();
    const ask = atMostEvery(250, call);
    ask();
    expect(call).toHaveBeenCalledTimes(1);
    for (let n = 0; n < 50; n += 1) ask();
    await vi.advanceTimersByTimeAsync(249);
    expect(call).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(call).toHaveBeenCalledTimes(2);
    await vi.advanceTimersByTimeAsync(1000);
    expect(call).toHaveBeenCalledTimes(2);
  });

  it('waits for what is slow, and never has two under way', async () => {
    let finish = () => {};
    const call = vi.fn(() => new Promise<void>((done) => (finish = done)));
    const ask = atMostEvery(100, call);
    ask();
    ask();
    await vi.advanceTimersByTimeAsync(1000);
    expect(call).toHaveBeenCalledTimes(1);
    finish();
    await vi.advanceTimersByTimeAsync(100);
    expect(call).toHaveBeenCalledTimes(2);
  });
});
