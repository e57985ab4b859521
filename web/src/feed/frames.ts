// At most one call a frame, however often it is asked for: two hundred events a second are still one drawing
// each frame. A page in the background gets no frames, so a slow timer stands in.

/** Asks for a call that comes with the next frame. */
export type Ask = () => void;

const WITHOUT_FRAMES_MS = 500;

export function oncePerFrame(call: () => void): Ask {
  let isAsked = false;
  return () => {
    if (isAsked) return;
    isAsked = true;
    const run = () => {
      if (!isAsked) return;
      isAsked = false;
      call();
    };
    if (document.hidden) setTimeout(run, WITHOUT_FRAMES_MS);
    else requestAnimationFrame(run);
  };
}

/** Runs at once, then at most every `intervalMs`; the last request is never lost. */
export function atMostEvery(intervalMs: number, call: () => Promise<void> | void): Ask {
  let isRunning = false;
  let isAsked = false;
  const run = async () => {
    isRunning = true;
    isAsked = false;
    await call();
    setTimeout(() => {
      isRunning = false;
      if (isAsked) void run();
    }, intervalMs);
  };
  return () => {
    isAsked = true;
    if (!isRunning) void run();
  };
}
