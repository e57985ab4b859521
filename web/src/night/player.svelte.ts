// Plays the night again: the gathering's own stream from an offset on, held back until the clock of the evening
// has reached each event. The stream waits as long as its handler does, so nothing has to be kept here, and
// what is shown is folded from the very messages that were sent live.

import { DoorbookStream, type StreamMessage, type StreamStatus } from 'doorbook-stream';
import type { Chronicle } from './chronicle.svelte';
import { PlaybackClock, skippedMs, type Speed } from './clock';
import type { MomentFeed, Target } from './moment.svelte';

/** `ended`: at the head of the log. `lost`: the log is another one, or may no longer be read. */
export type PlayState = 'paused' | 'playing' | 'ended' | 'lost';

/** How often the time is shown while nothing happens. */
const TICK_MS = 100;
/** The stream has said that it is live, and for so long nothing has come: that was the head. */
const QUIET_MS = 400;
/** Who plays what has happened this short a while ago has caught up with the present. */
const PRESENT_MS = 1500;

/** One stream, from its opening to where somebody jumps elsewhere. */
interface Run {
  stream: DoorbookStream;
  isOver: boolean;
  /** A message waits for its turn. */
  isHolding: boolean;
}

export class Player {
  #feed: MomentFeed;
  #chronicle: Chronicle;
  #state = $state<PlayState>('paused');
  #speed = $state<Speed>(10);
  #skipped = $state<number | null>(null);
  #isOpening = $state(false);
  #isCutOff = $state(false);
  #run: Run | null = null;
  #clock = new PlaybackClock(0, () => performance.now());
  /** Events to let through though it stands. */
  #steps = 0;
  #wake: () => void = () => {};
  #quiet: ReturnType<typeof setTimeout> | undefined;

  constructor(feed: MomentFeed, chronicle: Chronicle) {
    this.#feed = feed;
    this.#chronicle = chronicle;
  }

  get state(): PlayState {
    return this.#state;
  }

  get speed(): Speed {
    return this.#speed;
  }

  /** Reactive: the silence that was left out last, ms; null: none since it was played. */
  get skipped(): number | null {
    return this.#skipped;
  }

  /** Reactive: the server is asked for the stream, and has not said anything yet. */
  get isOpening(): boolean {
    return this.#isOpening;
  }

  /** Reactive: the connection is gone; it goes on where it was when it is back. */
  get isCutOff(): boolean {
    return this.#isCutOff;
  }

  play(): void {
    if (this.#state === 'playing' || !this.#feed.moment) return;
    this.#state = 'playing';
    this.#skipped = null;
    this.#goOn();
  }

  pause(): void {
    if (this.#state === 'playing') this.#state = 'paused';
    this.#skipped = null;
    this.#wake();
  }

  chooseSpeed(speed: Speed): void {
    this.#speed = speed;
    this.#wake();
  }

  /** One event on. */
  stepForward(): void {
    if (!this.#feed.moment) return;
    this.#state = 'paused';
    this.#skipped = null;
    this.#steps += 1;
    this.#goOn();
  }

  async stepBack(): Promise<void> {
    this.pause();
    const { asked, picture } = this.#feed;
    const shown = asked && 'offset' in asked ? asked.offset : picture.offset;
    const before = await this.#chronicle.previous(shown);
    if (before !== null) await this.go({ offset: before });
  }

  /** Jumps; what was playing plays on from there. */
  async go(target: Target): Promise<void> {
    const isPlaying = this.#state === 'playing';
    this.#end();
    this.#state = isPlaying ? 'playing' : 'paused';
    await this.#feed.go(target);
    if (this.#feed.problem && this.#state === 'playing') this.#state = 'paused';
    // Another jump may be under way by now; it opens the stream when it has arrived.
    if (this.#state === 'playing' || this.#steps > 0) this.#goOn();
  }

  close(): void {
    this.#end();
    this.#state = 'paused';
  }

  /** With the stream that is open, or with a new one. */
  #goOn(): void {
    if (this.#run?.stream.status.state === 'live') this.#listen(this.#run);
    this.#open();
    this.#wake();
  }

  #open(): void {
    const { moment, asked } = this.#feed;
    if (this.#run || !moment || asked) return;
    this.#clock = new PlaybackClock(moment.at, () => performance.now());
    const run: Run = {
      isOver: false,
      isHolding: false,
      stream: new DoorbookStream({
        eventId: this.#feed.id,
        from: moment.offset,
        onMessage: (message, { live }) => this.#take(run, message, live),
        onStatus: (status) => this.#note(run, status),
      }),
    };
    this.#run = run;
    this.#isOpening = true;
    run.stream.open();
  }

  #end(): void {
    clearTimeout(this.#quiet);
    this.#steps = 0;
    this.#skipped = null;
    this.#isOpening = false;
    this.#isCutOff = false;
    if (!this.#run) return;
    this.#run.isOver = true;
    this.#run.stream.close();
    this.#run = null;
    this.#wake();
  }

  /** Settles when it is the message's turn, or never matters any more: then the stream is closed. */
  async #take(run: Run, message: StreamMessage, isLive: boolean): Promise<void> {
    clearTimeout(this.#quiet);
    if (run.isOver) return;
    if (message.type === 'reset') return this.#lose();
    if (!('offset' in message)) return;
    run.isHolding = true;
    this.#isOpening = false;
    const happened = Date.parse(message.timestamp);
    await this.#turn(run, (await this.#chronicle.timeOf(message.offset)) ?? happened);
    if (run.isOver) return;
    run.isHolding = false;
    this.#feed.apply(message, this.#clock.now);
    // Nobody can play faster than things happen: from here on it is the live page's.
    if (isLive && this.#state === 'playing' && happened > Date.now() - PRESENT_MS) this.#arrive();
    else if (isLive) this.#listen(run);
  }

  async #turn(run: Run, at: number): Promise<void> {
    while (!run.isOver) {
      if (this.#steps > 0) {
        this.#steps -= 1;
        break;
      }
      const isPlaying = this.#state === 'playing';
      if (isPlaying) this.#skip(at);
      const waitMs = isPlaying ? this.#clock.waitMs(at, this.#speed) : Infinity;
      if (waitMs === 0) break;
      await this.#wait(waitMs);
    }
    this.#clock.advanceTo(at);
  }

  #skip(at: number): void {
    const left = skippedMs(this.#clock.now, at, this.#speed);
    if (left === 0) return;
    this.#clock.advanceTo(this.#clock.now + left);
    this.#skipped = left;
  }

  /** The clock runs only here: while the stream has nothing, time does not pass. */
  async #wait(waitMs: number): Promise<void> {
    const isRunning = Number.isFinite(waitMs);
    if (isRunning) this.#clock.run(this.#speed);
    await new Promise<void>((done) => {
      this.#wake = done;
      if (isRunning) setTimeout(done, Math.min(waitMs, TICK_MS));
    });
    this.#clock.stop();
    if (isRunning) this.#feed.tick(this.#clock.now);
  }

  #note(run: Run, status: StreamStatus): void {
    if (run.isOver) return;
    this.#isCutOff = status.state === 'stale' || status.retryAt !== undefined;
    if (status.state === 'live') {
      this.#isOpening = false;
      this.#listen(run);
    }
    if (status.state === 'closed') this.#lose();
  }

  /** Ends at the head, unless something comes. */
  #listen(run: Run): void {
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => {
      if (run.isOver || run.isHolding) return;
      if (this.#state === 'playing' || this.#steps > 0) this.#arrive();
    }, QUIET_MS);
  }

  #arrive(): void {
    this.#end();
    this.#state = 'ended';
  }

  #lose(): void {
    this.#end();
    this.#state = 'lost';
  }
}
