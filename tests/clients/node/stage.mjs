// A stage for the tests of DoorbookStream: a clock that moves when told, a peer of real sockets (npm `ws`)
// that says what a test wants, and waiting for a state. The server itself plays in stories.mjs.

import assert from 'node:assert/strict';
import http from 'node:http';
import { createRequire } from 'node:module';

import { DoorbookStream } from '../../../clients/js/doorbook-stream.js';
import { Clock } from './clock.mjs';

// CommonJS finds packages by NODE_PATH, modules do not.
export const { WebSocket, WebSocketServer } = createRequire(import.meta.url)('ws');

export const EPOCH = 'ab'.repeat(16);
export const OTHER_EPOCH = 'cd'.repeat(16);
const PATIENCE_MS = 20_000;

export async function until(what, holds) {
  const timeout = Date.now() + PATIENCE_MS;
  while (!holds()) {
    assert.ok(Date.now() < timeout, `waited in vain: ${what}`);
    await new Promise(setImmediate);
  }
}

/** A server that says what it is told, and remembers who came. */
export class Peer {
  connections = [];
  requests = [];
  /** Set: upgrades are refused, and other requests answered with this `{status, headers}`. */
  refusal = undefined;

  static async start() {
    const peer = new Peer();
    const sockets = new WebSocketServer({ noServer: true, handleProtocols: (offered) => [...offered][0] });
    peer.server = http.createServer((request, response) => {
      peer.requests.push({ method: request.method, url: request.url, authorization: request.headers.authorization });
      response.writeHead(peer.refusal?.status ?? 200, peer.refusal?.headers).end();
    });
    peer.server.on('upgrade', (request, socket, head) => {
      if (peer.refusal !== undefined) {
        socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n');
        return;
      }
      sockets.handleUpgrade(request, socket, head, (opened) => peer.connections.push(new Connection(opened, request)));
    });
    await new Promise((resolve) => peer.server.listen(0, '127.0.0.1', resolve));
    peer.url = `http://127.0.0.1:${peer.server.address().port}`;
    return peer;
  }

  /** The nth connection, counted from one. */
  async connection(n) {
    await until(`connection ${n}`, () => this.connections.length >= n);
    assert.equal(this.connections.length, n, 'no more connections than expected');
    return this.connections[n - 1];
  }

  stop() {
    for (const { socket } of this.connections) socket.terminate();
    this.server.closeAllConnections();
    this.server.close();
  }
}

class Connection {
  heard = [];
  closed = false;

  constructor(socket, request) {
    this.socket = socket;
    this.url = new URL(request.url, 'http://peer');
    this.from = this.url.searchParams.get('from');
    this.protocols = request.headers['sec-websocket-protocol'];
    socket.on('message', (data) => this.heard.push(JSON.parse(data)));
    socket.on('close', () => {
      this.closed = true;
    });
  }

  say(...messages) {
    for (const message of messages) this.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }
}

export const cursor = (offset, epoch = EPOCH) => `${epoch}:${offset}`;
export const snapshot = (offset, epoch = EPOCH) => ({ type: 'initial_data', event: {}, participants: [], cursor: cursor(offset, epoch) });
export const event = (offset) => ({ type: 'checkin_update', participant: {}, offset });
export const caughtUp = (offset, epoch = EPOCH) => ({ type: 'caught_up', offset, cursor: cursor(offset, epoch) });
export const heartbeat = (offset, epoch = EPOCH) => ({ type: 'heartbeat', offset, cursor: cursor(offset, epoch), timestamp: '2026-05-01T18:00:00Z' });

/** A stream to a peer, with everything that it told in `got`, `states` and `problems`. */
export async function staged(test, options = {}) {
  const peer = await Peer.start();
  const clock = new Clock();
  const got = [];
  const statuses = [];
  const problems = [];
  const stream = new DoorbookStream({
    url: peer.url,
    eventId: 'gala',
    WebSocket,
    clock,
    onMessage: (message) => {
      got.push(message.offset ?? message.type);
    },
    onStatus: (status) => statuses.push(status),
    onProblem: (problem) => problems.push(problem),
    ...options,
  });
  test.after(() => {
    stream.close();
    peer.stop();
  });
  const states = () => statuses.map(({ state }) => state).filter((state, at, all) => state !== all[at - 1]);
  return { peer, clock, stream, got, statuses, states, problems };
}

/** Opened, with a snapshot at `offset` taken. */
export async function live(test, offset = 10, options = {}) {
  const stage = await staged(test, options);
  stage.stream.open();
  const first = await stage.peer.connection(1);
  first.say(snapshot(offset));
  await until('live', () => stage.stream.status.state === 'live');
  return { ...stage, first };
}
