// A load for a server, in a process of its own: so many scans a second, each its own request, over connections that
// stay open. Everybody on the list is inside; some go out, and then the same come in again. What became of it
// is one JSON object on standard output.

import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';

const CONNECTIONS = 16;
const TICK_MS = 5;
/** So many go out before the first comes in again: requests overtake each other. */
const PARTY = 200;

const {
  url,
  token,
  event_id: eventId,
  codes,
  per_second: perSecond,
  seconds,
} = JSON.parse(await text(process.stdin));
const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
const totals = { sent: 0, admitted: 0, failed: 0, slowest_ms: 0, seconds: 0 };

const began = performance.now();
await new Promise((done) => {
  const tick = setInterval(() => {
    const passed = Math.min((performance.now() - began) / 1_000, seconds);
    for (const due = Math.floor(passed * perSecond); totals.sent < due;) send(totals.sent++);
    if (passed < seconds) return;
    clearInterval(tick);
    done();
  }, TICK_MS);
});
while (totals.admitted + totals.failed < totals.sent) await new Promise(setImmediate);
totals.seconds = (performance.now() - began) / 1_000;
agent.destroy();
console.log(JSON.stringify(totals));

function send(at) {
  const body = JSON.stringify({
    code: codes[(Math.floor(at / PARTY / 2) * PARTY + (at % PARTY)) % codes.length],
    direction: Math.floor(at / PARTY) % 2 === 0 ? 'out' : 'in',
    scan_id: randomUUID(),
    gate: `Gate ${(at % 4) + 1}`,
  });
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  };
  const sentAt = performance.now();
  const asked = request(
    `${url}/api/events/${eventId}/scan/`,
    { method: 'POST', agent, headers },
    (answer) => {
      text(answer).then((said) =>
        ended(answer.statusCode === 200 && JSON.parse(said).outcome !== 'refused', sentAt),
      );
    },
  );
  asked.on('error', () => ended(false, sentAt));
  asked.end(body);
}

function ended(well, sentAt) {
  totals[well ? 'admitted' : 'failed'] += 1;
  totals.slowest_ms = Math.max(totals.slowest_ms, performance.now() - sentAt);
}

async function text(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString();
}
