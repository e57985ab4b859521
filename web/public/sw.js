// Lets the pages open without a server: keeps their own files, which have their content's hash in their names,
// and the document that loads them. An answer of the API is never kept, nor looked at. The document comes from
// the server whenever there is one, so that a new version is seen at once; the kept one is replaced only when
// all files of the new one are kept, so that it always opens.

const CACHE = 'doorbook-pages-1';
const DOCUMENT = '/';
/** Files of versions that are gone make room for new ones. */
const FILES_MAX = 200;
/** A server that says nothing for so long is not there. */
const PATIENCE_MS = 4000;

addEventListener('install', () => skipWaiting());
addEventListener('activate', (event) => event.waitUntil(begin()));

addEventListener('message', (event) => {
  const { data, ports } = event;
  const files = Array.isArray(data?.keep) ? data.keep : [];
  event.waitUntil(keepAll(files).then((isKept) => ports[0]?.postMessage(isKept)));
});

addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== location.origin) return;
  if (isFile(url.pathname)) event.respondWith(file(request));
  else if (request.mode === 'navigate' && isPage(url.pathname)) event.respondWith(page(request));
});

function isFile(path) {
  return path.startsWith('/assets/') || path === '/icon.svg';
}

function isPage(path) {
  return path === '/' || /^\/(sign-in|gatherings|audit|admin)(\/|$)/.test(path);
}

async function begin() {
  for (const name of await caches.keys()) {
    if (name !== CACHE) await caches.delete(name);
  }
  await clients.claim();
}

/** A file never changes under its name. */
async function file(request) {
  const cache = await caches.open(CACHE);
  const held = await cache.match(request.url);
  if (held) return held;
  const answer = await fetch(request);
  if (isGood(answer)) {
    await cache.put(request.url, answer.clone());
    await makeRoom(cache);
  }
  return answer;
}

/** The server's document; the kept one when there is no server. */
async function page(request) {
  const cache = await caches.open(CACHE);
  const held = await cache.match(DOCUMENT);
  const asked = fetch(request).then((answer) => {
    // What stands before a server that is gone says 502 or the like.
    return answer.status >= 500 && held ? held : answer;
  });
  if (!held) return asked;
  const patience = new Promise((resolve) => setTimeout(() => resolve(held), PATIENCE_MS));
  return Promise.race([asked.catch(() => held), patience]);
}

/**
 * Whether the page that has loaded these files can be opened from here on: each of them is kept, and their
 * document. After an update of the server its document belongs to files that this page does not know: then the
 * kept one stays, until a page of the new version asks.
 */
async function keepAll(paths) {
  try {
    const cache = await caches.open(CACHE);
    const files = paths.filter(isFile);
    for (const path of files) {
      if (!(await cache.match(path))) await cache.add(path);
    }
    const answer = await fetch(DOCUMENT, { cache: 'no-cache' }).catch(() => null);
    if (answer && isDocument(answer) && (await belongs(answer.clone(), files))) {
      await cache.put(DOCUMENT, answer);
    }
    await makeRoom(cache);
    const held = await cache.match(DOCUMENT);
    return held !== undefined && (await belongs(held, files));
  } catch {
    return false;
  }
}

/** Whether a document loads these files; their names say of which version they are. */
async function belongs(page, files) {
  const named = (await page.text()).match(/\/assets\/[\w.-]+/g) ?? [];
  return named.length > 0 && named.every((path) => files.includes(path));
}

async function makeRoom(cache) {
  const kept = (await cache.keys()).filter((request) => isFile(new URL(request.url).pathname));
  for (const request of kept.slice(0, Math.max(0, kept.length - FILES_MAX))) {
    await cache.delete(request);
  }
}

function isGood(answer) {
  return answer.ok && answer.type === 'basic';
}

function isDocument(answer) {
  return isGood(answer) && (answer.headers.get('content-type') ?? '').startsWith('text/html');
}
