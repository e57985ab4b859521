// Sends a list to the server and says how much of it has arrived: the one thing that `fetch` cannot.

import { problemOf, unreachable, type Problem } from '../../api/problem';
import type { components } from '../../api/schema';
import { session } from '../../session/session.svelte';
import type { ListFormat } from './list';

export type Imported = components['schemas']['Imported'];

export interface Upload {
  /** Null: it was cancelled. */
  done: Promise<{ data: Imported; offset: number | null } | { problem: Problem } | null>;
  cancel: () => void;
}

interface Options {
  gathering: string;
  file: Blob;
  format: ListFormat;
  isDryRun: boolean;
  key: string;
  /** Bytes that are on the server. */
  sent: (bytes: number) => void;
}

const MEDIA_TYPES = { csv: 'text/csv', ndjson: 'application/x-ndjson' };

export function upload({ gathering, file, format, isDryRun, key, sent }: Options): Upload {
  const request = new XMLHttpRequest();
  const done = new Promise<Awaited<Upload['done']>>((resolve) => {
    request.upload.onprogress = (progress) => sent(progress.loaded);
    request.onload = () => resolve(answerOf(request));
    request.onerror = () => resolve({ problem: unreachable() });
    request.onabort = () => resolve(null);
  });
  const query = isDryRun ? '?dry_run=true' : '';
  request.open('POST', `/api/events/${gathering}/import${query}`);
  request.setRequestHeader('Content-Type', MEDIA_TYPES[format]);
  request.setRequestHeader('Idempotency-Key', key);
  request.send(file);
  return { done, cancel: () => request.abort() };
}

function answerOf(request: XMLHttpRequest): Awaited<Upload['done']> {
  const body = parsed(request.responseText);
  if (request.status >= 200 && request.status < 300 && isImported(body)) {
    const offset = request.getResponseHeader('X-Offset');
    return { data: body, offset: offset === null ? null : Number(offset) };
  }
  // The session may have ended; asking who is signed in says so to the whole page.
  if (request.status === 401) void session.load();
  const headers = new Headers();
  const id = request.getResponseHeader('X-Request-Id');
  if (id !== null) headers.set('X-Request-Id', id);
  const response = new Response(null, { status: request.status, headers });
  return { problem: problemOf({ error: body, response }) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isImported(body: unknown): body is Imported {
  return typeof body === 'object' && body !== null && 'accepted' in body && 'rejected' in body;
}
