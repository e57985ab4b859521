// The stories with DoorbookStream in this process, on the WebSocket of the npm package `ws`.

import { createRequire } from 'node:module';

import { Seat } from './seat.mjs';
import { URL_OF_SERVER, mint, tell } from './server.mjs';
import { STORIES } from './stories.mjs';

const { WebSocket } = createRequire(import.meta.url)('ws');

const seat = new Seat(async (lifetime_s) => mint(lifetime_s), { url: URL_OF_SERVER, WebSocket });
await tell(STORIES, seat);
seat.closeAll();
process.exit(0);
