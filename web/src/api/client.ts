// The one way to the HTTP API: typed by the server's own OpenAPI document. A 401 ends the session here, so
// that no page has to look for it.

import createClient from 'openapi-fetch';
import type { components, paths } from './schema';

export type Gathering = components['schemas']['Gathering'];
export type Participant = components['schemas']['Participant'];
export type HistoryEntry = components['schemas']['HistoryEntry'];
export type Arrivals = components['schemas']['Arrivals'];
export type Occupancy = components['schemas']['Occupancy'];
export type RefusalCode = components['schemas']['RefusalCode'];
export type ScanWarning = components['schemas']['ScanWarning'];
export type Previous = components['schemas']['Previous'];

type OnSignedOut = () => void;

let onSignedOut: OnSignedOut = () => {};

/** `session` says here what happens when the server no longer knows who is asking. */
export function whenSignedOut(call: OnSignedOut): void {
  onSignedOut = call;
}

export const api = createClient<paths>();

api.use({
  onResponse({ request, response }) {
    const isSignIn = new URL(request.url).pathname.startsWith('/api/session');
    if (response.status === 401 && !isSignIn) onSignedOut();
  },
});
