// Starts the load beside the browser, and says what became of it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { text } from 'node:stream/consumers';

const LOAD = fileURLToPath(new URL('load.mjs', import.meta.url));

export interface Load {
  url: string;
  token: string;
  event_id: string;
  codes: string[];
  per_second: number;
  seconds: number;
}

export interface Loaded {
  sent: number;
  admitted: number;
  failed: number;
  slowest_ms: number;
  seconds: number;
}

export async function load(what: Load): Promise<Loaded> {
  const child = spawn(process.execPath, [LOAD], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(JSON.stringify(what));
  const [said, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  if (code !== 0) throw new Error(`the load ended with ${String(code)}`);
  return JSON.parse(said) as Loaded;
}
