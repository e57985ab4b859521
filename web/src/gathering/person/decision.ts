// What the server decided about a command, as something to show; or that nobody knows.

import type { Previous, ScanWarning } from '../../api/client';
import { problemOf, refusalWord } from '../../api/problem';
import { i18n } from '../../i18n/index.svelte';

export interface Decision {
  kind: 'admitted' | 'exited' | 'refused' | 'undone' | 'cancelled' | 'failed' | 'lost';
  /** Of a refusal. */
  code: string | null;
  /** What to say under the big word. */
  detail: string | null;
  previous: Previous | null;
  warnings: string[];
  /** When it was decided; null where that is not known. */
  at: string | null;
  /** It had been done before under the same name. */
  replayed: boolean;
}

/** What an answer of the API to a command looks like, whichever command it was. */
interface Answer {
  outcome?: string;
  code?: string | null;
  detail?: string | null;
  previous?: Previous | null;
  warnings?: ScanWarning[];
  timestamp?: string;
  replayed?: boolean;
}

type Answered = Promise<{ data?: unknown; error?: unknown; response: Response }>;

/** Waits for the answer to a command; never throws. `done`: what its success is called. */
export async function decisionOf(request: Answered, done: Decision['kind']): Promise<Decision> {
  try {
    const { data, error, response } = await request;
    if (response.ok) return decided(answerOf(data), done);
    const answer = answerOf(error);
    if (answer.outcome === 'refused') return decided(answer, 'refused');
    const { detail } = problemOf({ error, response });
    // It may have been done before the answer broke: only the same name tells.
    return { ...nothing(isLost(response.status) ? 'lost' : 'failed'), detail };
  } catch {
    return nothing('lost');
  }
}

/** Whether somebody who may could admit all the same. */
export function isOverridable({ kind, code }: Decision): boolean {
  return kind === 'refused' && !['erased', 'unknown_code', 'wrong_event'].includes(code ?? '');
}

function decided(answer: Answer, done: Decision['kind']): Decision {
  const outcomes = ['admitted', 'exited', 'refused'] as const;
  const kind = outcomes.find((outcome) => outcome === answer.outcome) ?? done;
  return {
    kind,
    code: kind === 'refused' ? (answer.code ?? null) : null,
    detail: kind === 'refused' ? sentenceOf(answer) : null,
    previous: kind === 'refused' ? (answer.previous ?? null) : null,
    warnings: (answer.warnings ?? []).map((warning) => warning.code),
    at: answer.timestamp ?? null,
    replayed: answer.replayed === true,
  };
}

/** The server's sentences are English; the word for the code is in every language. */
function sentenceOf({ detail, code }: Answer): string | null {
  if (i18n.language === 'en' && detail) return detail;
  return code ? refusalWord(code) : (detail ?? null);
}

function nothing(kind: Decision['kind']): Decision {
  return {
    kind,
    code: null,
    detail: null,
    previous: null,
    warnings: [],
    at: null,
    replayed: false,
  };
}

function isLost(status: number): boolean {
  return status >= 500 || status === 408 || status === 429;
}

function answerOf(body: unknown): Answer {
  return typeof body === 'object' && body !== null ? body : {};
}
