// What went wrong with a request, as something to show: the server's own sentence, or one in the reader's
// language where the code is known.

import { i18n } from '../i18n/index.svelte';

/** A request that failed. `detail` is ready to be shown. */
export interface Problem {
  /** 0: there was no answer. */
  status: number;
  code: string;
  detail: string;
  requestId: string | null;
}

interface Failed {
  error?: unknown;
  response: Response;
}

/** The problem of an answer of `api` that is no success. */
export function problemOf({ error, response }: Failed): Problem {
  const body = isBody(error) ? error : {};
  const code = body.code ?? 'unknown';
  return {
    status: response.status,
    code,
    detail: sentence(response.status, code, body.detail ?? body.title),
    requestId: response.headers.get('X-Request-Id'),
  };
}

/** The problem of a request that threw: no answer came. */
export function unreachable(): Problem {
  return {
    status: 0,
    code: 'unreachable',
    detail: i18n.t.shell.problems.unreachable,
    requestId: null,
  };
}

/** Runs a request and gives what it answered, or its problem; it never throws. */
export async function ask<T>(
  request: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<{ data: T; response: Response; problem?: never } | { data?: never; problem: Problem }> {
  try {
    const { data, error, response } = await request;
    if (response.ok) return { data: data as T, response };
    return { problem: problemOf({ error, response }) };
  } catch {
    return { problem: unreachable() };
  }
}

function sentence(status: number, code: string, detail: string | undefined): string {
  const { problems, refusals } = i18n.t.shell;
  if (code === 'link_invalid') return problems.link_invalid;
  // The server speaks English; a known refusal has a word in every language.
  if (i18n.language !== 'en') {
    if (isKey(refusals, code)) return refusals[code];
    if (status === 403) return problems.forbidden;
    if (status === 404) return problems.not_found;
  }
  return detail ?? problems.unknown;
}

/** The word for a refusal code; the code itself where it is not known. */
export function refusalWord(code: string): string {
  const { refusals } = i18n.t.shell;
  return isKey(refusals, code) ? refusals[code] : code;
}

function isKey<T extends object>(table: T, key: string): key is Extract<keyof T, string> {
  return Object.hasOwn(table, key);
}

function isBody(error: unknown): error is { code?: string; detail?: string; title?: string } {
  return typeof error === 'object' && error !== null;
}
