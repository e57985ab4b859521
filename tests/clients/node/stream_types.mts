// What a page does with DoorbookStream, for the compiler to agree with. It is not run.

import { DoorbookStream, type Participant, type StreamMessage, type StreamStatus } from '../../../clients/js/doorbook-stream.js';

const participants = new Map<string, Participant>();

function show(message: StreamMessage): string | undefined {
  switch (message.type) {
    case 'reset':
      participants.clear();
      return message.reason;
    case 'initial_data':
      if ('participants' in message) for (const participant of message.participants) participants.set(participant.id, participant);
      return message.cursor;
    case 'checkin_update':
    case 'checkout_update':
      participants.set(message.participant.id, message.participant);
      return `${message.participant.user.first_name} ${message.action}, ${message.occupancy.inside} inside`;
    case 'participant_registered':
    case 'participant_updated':
      return `${message.occupancy.registered} registered`;
    case 'scan_refused':
      if (message.action === 'checkout') return message.warnings[0]?.code;
      return message.participant?.event_pax_id ?? message.code;
    case 'event_update':
      return `${message.event_id}: ${message.counts.inside}`;
    default:
      return undefined;
  }
}

const stream = new DoorbookStream({
  url: 'https://door.example.org',
  eventId: '01900000-0000-7000-8000-000000000000',
  from: 'latest',
  onMessage: async (message, { live }) => {
    if (live) show(message);
  },
  onStatus: ({ state, asOf, retryAt }: StreamStatus) => (state === 'stale' ? (asOf ?? 0) : (retryAt ?? 0)),
  onProblem: (problem) => (problem.kind === 'gap' ? problem.expected : problem.kind),
  getToken: async ({ reason }) => (reason === 'expired' ? null : 'a.b.c'),
}).open();

const cursor: string | undefined = stream.cursor;
const sent: boolean = stream.send({ type: 'get_participants' });
export const used = [cursor, sent, stream.counters.repeats];

// @ts-expect-error: without a handler there is nothing to do
new DoorbookStream({ url: 'https://door.example.org' });
// @ts-expect-error: no such state
export const wrong = stream.status.state === 'dead';
