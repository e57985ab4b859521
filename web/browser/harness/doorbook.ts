// A server of one's own: the real binary on a free port and a new data directory on a real disk. It can be struck
// down (SIGKILL) and started again at the same address with the same data, as a machine does that loses its power.

import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { BINARY, OUT } from './surroundings.ts';
import { mint, type Claims } from './tokens.ts';

const START_MS_MAX = 30_000;
const LOG_LINES_KEPT = 200;
const LISTENING = /listening address=(\S+)/;

export class Doorbook {
  readonly secret = randomBytes(32).toString('hex');
  readonly data: string;
  /** The last of what the server said, for a failed test. */
  readonly said: string[] = [];
  url = '';
  #process: ChildProcess | undefined;

  private constructor() {
    if (!existsSync(BINARY))
      throw new Error(
        `there is no server at ${BINARY}: cargo build makes it, or DOORBOOK names one`,
      );
    mkdirSync(OUT, { recursive: true });
    this.data = mkdtempSync(join(OUT, 'data-'));
  }

  static async start(): Promise<Doorbook> {
    const doorbook = new Doorbook();
    await doorbook.#spawn('127.0.0.1:0');
    return doorbook;
  }

  token(claims: Claims, lifetimeS?: number): string {
    return mint(this.secret, claims, lifetimeS);
  }

  get pid(): number {
    if (this.#process?.pid === undefined) throw new Error('the server is not running');
    return this.#process.pid;
  }

  /** Without a chance to say or write anything. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async restart(): Promise<void> {
    await this.#spawn(new URL(this.url).host);
  }

  /** Ends it as an operator does, and leaves nothing behind. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
    rmSync(this.data, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const running = this.#process;
    this.#process = undefined;
    if (running === undefined || running.exitCode !== null) return;
    const gone = once(running, 'exit');
    running.kill(signal);
    await gone;
  }

  async #spawn(listen: string): Promise<void> {
    const environment = { PATH: process.env['PATH'], DOORBOOK_JWT_SECRET: this.secret };
    const child = spawn(
      BINARY,
      ['serve', '--data', this.data, '--listen', listen, '--drain-seconds', '1'],
      {
        env: environment,
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    this.#process = child;
    this.url = await this.#address(child);
    await this.#ready();
  }

  #address(child: ChildProcess): Promise<string> {
    const { stderr } = child;
    if (stderr === null) throw new Error('the server was started without a voice');
    return new Promise((found, failed) => {
      const timeout = setTimeout(
        () => failed(this.#broken('it did not listen in time')),
        START_MS_MAX,
      );
      child.once('error', failed);
      child.once('exit', (code, signal) => failed(this.#broken(`it ended with ${signal ?? code}`)));
      createInterface({ input: stderr }).on('line', (line) => {
        this.said.push(line);
        this.said.splice(0, this.said.length - LOG_LINES_KEPT);
        const address = LISTENING.exec(line)?.[1];
        if (address === undefined) return;
        clearTimeout(timeout);
        found(`http://${address}`);
      });
    });
  }

  /** Ready says the server itself; between two questions it may do its work. */
  async #ready(): Promise<void> {
    const end = Date.now() + START_MS_MAX;
    for (;;) {
      const answer = await fetch(`${this.url}/readyz`).catch(() => undefined);
      if (answer?.ok === true) return;
      if (Date.now() > end) throw this.#broken('it was not ready in time');
      await new Promise(setImmediate);
    }
  }

  #broken(why: string): Error {
    return new Error(`the server: ${why}\n${this.said.join('\n')}`);
  }
}
