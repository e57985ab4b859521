// The origin's client in Node, where a WebSocket may say who it is: by header, and by subprotocol.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import vm from 'node:vm';

import { the_client_of_the_origin_works_without_a_change as story } from './origin_story.mjs';
import { URL_OF_SERVER, mint, tell } from './server.mjs';

const { WebSocket } = createRequire(import.meta.url)('ws');

class ByHeader extends WebSocket {
  constructor(url) {
    super(url, { headers: { authorization: `Bearer ${mint()}` } });
  }
}

class BySubprotocol extends WebSocket {
  constructor(url) {
    super(url, ['doorbook.v1', `bearer.${mint()}`]);
  }
}

function desk(Socket) {
  const context = vm.createContext({ WebSocket: Socket });
  for (const script of ['origin_client.js', 'origin_desk.js']) vm.runInContext(readFileSync(new URL(script, import.meta.url), 'utf8'), context);
  const call = (name, ...args) => JSON.parse(vm.runInContext(`JSON.stringify(${name}(...${JSON.stringify(args)})) ?? 'null'`, context));
  return {
    open: (eventId) => call('openDesk', new URL(URL_OF_SERVER).host, eventId),
    look: () => call('look'),
    letTheIntervalPass: () => call('letTheIntervalPass'),
  };
}

for (const Socket of [ByHeader, BySubprotocol]) await tell([story], desk(Socket));
process.exit(0);
