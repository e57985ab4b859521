// Makes this page one that opens without a server: a worker keeps the pages' own files, and nothing that the
// API said. What it keeps, and how, stands in `public/sw.js`.

const WORKER = '/sw.js';
const ANSWER_MS_MAX = 15_000;

/** True when the page can be opened again without a server; false where the browser or its address forbids it. */
export async function makeOpenable(): Promise<boolean> {
  // In development the files have no lasting names.
  if (import.meta.env.DEV || !('serviceWorker' in navigator)) return false;
  try {
    await navigator.serviceWorker.register(WORKER);
    const { active } = await navigator.serviceWorker.ready;
    return active !== null && (await askToKeep(active, filesOfThisPage()));
  } catch {
    return false;
  }
}

function askToKeep(worker: ServiceWorker, files: string[]): Promise<boolean> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), ANSWER_MS_MAX);
    port1.onmessage = ({ data }) => {
      clearTimeout(timer);
      resolve(data === true);
    };
    worker.postMessage({ keep: files }, [port2]);
  });
}

/** What has been loaded so far: the worker was not there to see it. */
function filesOfThisPage(): string[] {
  const loaded = performance.getEntriesByType('resource').map(({ name }) => name);
  const linked = [...document.querySelectorAll('link[href], script[src]')].map((element) =>
    element instanceof HTMLLinkElement ? element.href : (element as HTMLScriptElement).src,
  );
  const paths = [import.meta.url, ...loaded, ...linked]
    .map((address) => new URL(address, location.href))
    .filter((url) => url.origin === location.origin)
    .map((url) => url.pathname);
  return [...new Set(paths)];
}
