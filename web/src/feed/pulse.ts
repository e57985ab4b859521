// Whether a stream is still heard. A connection that has died in silence (Wi-Fi gone, a laptop that slept) looks
// open for a minute, and all that time the page would say Live. So the server is asked every few seconds, and at once
// when the device comes back; without an answer the connection is given up and the stream comes back by its cursor.

import type { DoorbookStream } from 'doorbook-stream';

const BEAT_MS = 5000;
/** An answer that takes longer is none. */
const ANSWER_MS = 4000;
/** A beat that comes this late says that the device has slept. */
const SLEPT_MS = 3 * BEAT_MS;

/** Watches until the function that it gives is called. */
export function keepPulse(stream: DoorbookStream): () => void {
  let last = Date.now();
  let waiting: ReturnType<typeof setTimeout> | undefined;

  function ask(): void {
    const askedAt = Date.now();
    if (waiting !== undefined || !stream.send({ type: 'ping', timestamp: askedAt })) return;
    waiting = setTimeout(() => {
      waiting = undefined;
      if ((stream.status.lastHeardAt ?? 0) < askedAt) reconnect();
    }, ANSWER_MS);
  }

  function reconnect(): void {
    clearTimeout(waiting);
    waiting = undefined;
    if (stream.status.state === 'closed') return;
    stream.close();
    stream.open();
  }

  function beat(): void {
    const lateMs = Date.now() - last - BEAT_MS;
    last = Date.now();
    // A page in the background is woken rarely; only one that was in front can have slept.
    if (lateMs > SLEPT_MS && !document.hidden) reconnect();
    else if (!document.hidden) ask();
  }

  function comeBack(): void {
    if (!document.hidden) ask();
  }

  const timer = setInterval(beat, BEAT_MS);
  addEventListener('offline', reconnect);
  addEventListener('online', reconnect);
  document.addEventListener('visibilitychange', comeBack);
  return () => {
    clearInterval(timer);
    clearTimeout(waiting);
    removeEventListener('offline', reconnect);
    removeEventListener('online', reconnect);
    document.removeEventListener('visibilitychange', comeBack);
  };
}
