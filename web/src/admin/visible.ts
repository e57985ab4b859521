// Reading again and again while somebody may look: what is shown on a page in the background is not asked for.

/** Runs `read` at once and again, `pauseMs` after each has ended, while the page can be seen. Returns what ends it. */
export function whileVisible(read: () => Promise<void>, pauseMs: () => number): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isReading = false;
  let isOver = false;

  async function run(): Promise<void> {
    clearTimeout(timer);
    if (isReading || isOver || document.hidden) return;
    isReading = true;
    try {
      await read();
    } finally {
      isReading = false;
    }
    if (!isOver && !document.hidden) timer = setTimeout(run, pauseMs());
  }

  const onChange = () => void run();
  document.addEventListener('visibilitychange', onChange);
  void run();
  return () => {
    isOver = true;
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', onChange);
  };
}
