import { readFileSync } from 'node:fs';
import { createContext, runInContext } from 'node:vm';
import { beforeEach, describe, expect, it } from 'vitest';

// The worker is a plain script; the browser around it is as much of one as it asks for.
const WORKER = readFileSync(new URL('../../../public/sw.js', import.meta.url), 'utf8');
const ORIGIN = 'http://doorbook.test';

const documentOf = (version: string) => `<script src="/assets/index-${version}.js"></script>`;
const filesOf = (version: string) => [`/assets/index-${version}.js`, `/assets/list-${version}.js`];

let server: { version: string } | null;
let held: Map<string, string>;
let listeners: Record<string, (event: unknown) => void>;

function answerOf(path: string): Response {
  if (!server) throw new TypeError('no server');
  const isFile = path.startsWith('/assets/');
  const isThere = !isFile || filesOf(server.version).includes(path);
  const answer = new Response(isFile ? path : documentOf(server.version), {
    status: isThere ? 200 : 404,
    headers: { 'content-type': isFile ? 'text/javascript' : 'text/html' },
  });
  return Object.defineProperty(answer, 'type', { value: 'basic' });
}

const pathOf = (request: string | { url: string }) =>
  new URL(typeof request === 'string' ? request : request.url, ORIGIN).pathname;

const fetched = async (request: string | { url: string }) => answerOf(pathOf(request));

const cache = {
  match: async (request: string) => {
    const text = held.get(pathOf(request));
    return text === undefined ? undefined : new Response(text);
  },
  put: async (request: string, answer: Response) => {
    held.set(pathOf(request), await answer.text());
  },
  add: async (path: string) => {
    const answer = answerOf(path);
    if (!answer.ok) throw new TypeError('not there');
    held.set(path, await answer.text());
  },
  keys: async () => [...held.keys()].map((path) => ({ url: ORIGIN + path })),
  delete: async (request: { url: string }) => held.delete(pathOf(request)),
};

function keepFor(version: string): Promise<unknown> {
  return new Promise((postMessage) => {
    const data = { keep: filesOf(version) };
    listeners['message']?.({ data, ports: [{ postMessage }], waitUntil: () => {} });
  });
}

function open(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const respondWith = (answer: Promise<Response>) =>
      answer.then((got) => got.text()).then(resolve, reject);
    const request = { method: 'GET', mode: 'navigate', url: ORIGIN + path };
    listeners['fetch']?.({ request, respondWith });
  });
}

beforeEach(() => {
  server = { version: 'one' };
  held = new Map();
  listeners = {};
  const scope = createContext({
    addEventListener: (name: string, listener: (event: unknown) => void) => {
      listeners[name] = listener;
    },
    caches: { open: async () => cache },
    fetch: fetched,
    location: { origin: ORIGIN },
    URL,
    setTimeout: () => 0,
  });
  runInContext(WORKER, scope);
});

describe('the worker', () => {
  it('opens a page without a server once it has been asked to keep it', async () => {
    expect(await keepFor('one')).toBe(true);
    server = null;
    expect(await open('/gatherings/a/evacuation')).toBe(documentOf('one'));
    expect(await keepFor('one')).toBe(true);
  });

  it('goes on opening the kept page when another version was only looked at', async () => {
    await keepFor('one');
    server = { version: 'two' };
    expect(await open('/')).toBe(documentOf('two'));
    expect(await keepFor('one')).toBe(true);
    server = null;
    expect(await open('/gatherings/a/evacuation')).toBe(documentOf('one'));
    for (const path of filesOf('one')) expect(held.has(path)).toBe(true);
  });

  it('keeps the new version when a page of it asks', async () => {
    await keepFor('one');
    server = { version: 'two' };
    expect(await keepFor('two')).toBe(true);
    server = null;
    expect(await open('/')).toBe(documentOf('two'));
    for (const path of filesOf('two')) expect(held.has(path)).toBe(true);
  });

  it('says so when the page cannot be opened again', async () => {
    server = { version: 'two' };
    expect(await keepFor('one')).toBe(false);
    server = null;
    expect(await keepFor('two')).toBe(false);
  });
});
