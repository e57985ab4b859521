// Follows a live stream of doorbook in a browser or in Node: hands every message to one handler, once and
// in order, and comes back by its cursor after whatever ended the connection. No dependencies.
//
// What to do with the messages is not here. What they say: doorbook-stream.d.ts and the server's contract.

const SUBPROTOCOL = 'doorbook.v1';
/** The server is heard at least this often. */
const HEARTBEAT_MS = 25_000;
/** Silent for that many heartbeats, a connection is dead. */
const SILENT_HEARTBEATS_MAX = 2.2;
const BACKOFF_BASE_MS = 500;
const BACKOFF_CAP_MS = 20_000;
/** A connection that lasted this long proves the place well: the back-off starts over. */
const STABLE_MS = 30_000;
/** From asking who we are to the open socket. */
const CONNECT_MS_MAX = 10_000;
/** Messages that may wait for the handler; then the connection is given back, and asked for again later. */
const WAITING_MESSAGES_MAX = 10_000;

/** Close codes after which the same request would only be closed again; so are 4500 to 4599. */
const FINAL_CODES = new Set([1003, 1008, 1009, 1010, 4403]);
const TOKEN_EXPIRED = 4401;
/** Answers of the server itself after which the same request would only be refused again. */
const FINAL_STATUSES = new Set([400, 403, 404, 410, 422]);

const SYSTEM_CLOCK = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  random: () => Math.random(),
  setTimeout: (call, delayMs) => globalThis.setTimeout(call, delayMs),
  clearTimeout: (timer) => globalThis.clearTimeout(timer),
};

export class DoorbookStream {
  #options;
  #clock;

  // Where we are: everything up to and including this offset of this log has been handled.
  #epoch;
  #offset;
  /** A start that is not a position yet: `latest`, or a cursor of a form unknown here. */
  #start;

  /** The connection, from its socket's making to the last of its messages. */
  #session;
  /** Raised by whatever makes a connection attempt in progress void. */
  #generation = 0;
  /** Settled when no handler is running. */
  #pumping = Promise.resolve();
  #attempt = 0;
  #tokenReason = 'connect';
  #timers = new Map();

  #closed = { reason: 'not_opened' };
  #stale = false;
  #told;
  #silentSince = 0;
  #lastHeardAt;
  #asOf;
  #retryAt;
  /** The offset after which the server, asked again, has to confirm a gap. */
  #doubtedAfter;
  #counters = { delivered: 0, repeats: 0, gaps: 0, faults: 0, connections: 0 };

  constructor(options) {
    if (typeof options?.onMessage !== 'function') throw new TypeError('onMessage must be a function');
    const { WebSocket, fetch, location } = globalThis;
    this.#options = { url: location?.origin, heartbeatMs: HEARTBEAT_MS, WebSocket, fetch, ...options };
    this.#clock = { ...SYSTEM_CLOCK, ...options.clock };
    this.#startFrom(options.from);
    if (!this.#options.WebSocket) throw new TypeError('there is no WebSocket here: pass one, such as that of the npm package ws');
    this.#url('ws');
  }

  /** Opens the stream, or opens it again after `close()` where it was. */
  open() {
    if (this.#closed === undefined) return this;
    this.#closed = undefined;
    this.#attempt = 0;
    this.#listenForSilence();
    this.#connect();
    return this;
  }

  /** Ends the stream; nothing is handed over any more. A handler that is running still counts for the cursor. */
  close() {
    if (this.#closed === undefined) this.#stop({ reason: 'closed_here' });
  }

  /** Sends a message such as `{type: 'get_participants'}` (never `resume`); false when there is no connection. */
  send(message) {
    const { socket, over } = this.#session ?? {};
    const isOpen = !over && socket?.readyState === 1;
    if (isOpen) socket.send(JSON.stringify(message));
    return isOpen;
  }

  /** Where to go on, for `from` of another stream; undefined before there is a position. */
  get cursor() {
    if (this.#offset === undefined) return undefined;
    return this.#epoch === undefined ? String(this.#offset) : `${this.#epoch}:${this.#offset}`;
  }

  get status() {
    return { state: this.#state(), lastHeardAt: this.#lastHeardAt, asOf: this.#asOf, retryAt: this.#retryAt, ...this.#closed };
  }

  get counters() {
    return { ...this.#counters };
  }

  async #connect() {
    const generation = (this.#generation += 1);
    const isVoid = () => generation !== this.#generation;
    this.#retryAt = undefined;
    this.#tell();
    // What the handler makes of the message it is at decides where the next connection starts.
    await this.#pumping;
    if (isVoid()) return;
    this.#later('connect', CONNECT_MS_MAX, () => this.#fail({ kind: 'connect_timeout' }));
    let identity;
    try {
      identity = await this.#identify();
    } catch (error) {
      if (!isVoid()) this.#fail({ kind: 'no_identity', error });
      return;
    }
    if (isVoid()) return;
    if (identity === undefined) return this.#stop({ reason: 'no_token' });
    try {
      this.#openSocket(identity);
    } catch (error) {
      this.#problem({ kind: 'not_connectable', error });
      this.#stop({ reason: 'not_connectable' });
    }
  }

  /** How the server knows us: by ticket, by token, or by a cookie that the browser sends; undefined: not at all. */
  async #identify() {
    const { getTicket, getToken } = this.#options;
    const reason = this.#tokenReason;
    const secret = getTicket ? await getTicket({ reason }) : getToken ? await getToken({ reason }) : '';
    if (secret === null || secret === undefined) return undefined;
    this.#tokenReason = 'connect';
    if (getTicket) return { ticket: secret, protocols: [SUBPROTOCOL] };
    return getToken ? { token: secret, protocols: [SUBPROTOCOL, `bearer.${secret}`] } : { protocols: [SUBPROTOCOL] };
  }

  #openSocket({ ticket, token, protocols }) {
    const from = this.cursor ?? this.#start;
    const url = this.#url('ws');
    if (from !== undefined) url.searchParams.set('from', from);
    if (ticket !== undefined) url.searchParams.set('ticket', ticket);
    const socket = new this.#options.WebSocket(url.href, protocols);
    const session = { socket, token, from, waiting: [], pumping: false, over: false, live: false, heard: false };
    this.#session = session;
    // `over`: nothing that this socket still says is of interest.
    socket.onopen = () => session.over || this.#opened(session);
    socket.onmessage = ({ data }) => session.over || this.#heard(session, data);
    socket.onclose = ({ code }) => session.over || this.#closedByPeer(session, code);
    socket.onerror = () => {};
  }

  #opened(session) {
    this.#cancel('connect');
    this.#counters.connections += 1;
    session.openedAt = this.#clock.monotonic();
    this.#listenForSilence();
  }

  #closedByPeer(session, code) {
    session.over = true;
    session.live = false;
    this.#cancel('connect', 'renew');
    if (session.openedAt === undefined) {
      this.#forget(session);
      this.#askWhy(session);
      return;
    }
    session.closedAt = this.#clock.monotonic();
    // Its turn comes after the messages that came before it.
    this.#enqueue(session, { end: () => this.#goOnAfter(code) });
  }

  #goOnAfter(code) {
    const { getToken, getTicket } = this.#options;
    if (FINAL_CODES.has(code) || (code >= 4500 && code <= 4599)) return this.#stop({ reason: 'close_code', code });
    if (code === TOKEN_EXPIRED) {
      if (!getToken && !getTicket) return this.#stop({ reason: 'token_expired', code });
      this.#tokenReason = 'expired';
    }
    this.#retry();
  }

  /**
   * A WebSocket does not say why it was refused. The request for the first participant has the same conditions,
   * and its answer does. Only a refusal in the server's own form is final: one in between may be having a bad day.
   */
  async #askWhy({ token }) {
    const { getToken, getTicket, fetch } = this.#options;
    const generation = this.#generation;
    if (fetch === undefined || (getTicket && !token)) return this.#retry();
    const headers = token ? { authorization: `Bearer ${token}` } : {};
    const signal = AbortSignal.timeout(CONNECT_MS_MAX);
    // No answer: nobody there, or nothing that a page of another origin may read.
    const answer = await fetch(this.#url('http').href, { method: 'HEAD', headers, credentials: 'include', signal }).catch(() => undefined);
    if (generation !== this.#generation) return;
    const isRefusal = answer?.headers.get('content-type')?.startsWith('application/problem+json');
    if (!isRefusal) return this.#retry();
    const { status } = answer;
    this.#problem({ kind: 'refused', status });
    if (generation !== this.#generation) return;
    if (FINAL_STATUSES.has(status) || (status === 401 && !getToken && !getTicket)) return this.#stop({ reason: 'refused', code: status });
    if (status === 401) this.#tokenReason = 'expired';
    const seconds = Number(answer.headers.get('retry-after'));
    this.#retry(seconds > 0 ? seconds * 1_000 : 0);
  }

  /** Full jitter: anything between nothing and the ceiling, so that a crowd does not come back as one. */
  #backoff(attempt) {
    return this.#clock.random() * Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** attempt);
  }

  #retry(delayMsMin = 0) {
    const delayMs = Math.max(delayMsMin, this.#backoff(this.#attempt));
    this.#attempt += 1;
    this.#retryAt = this.#clock.now() + delayMs;
    this.#later('retry', delayMs, () => this.#connect());
    this.#told = undefined;
    this.#tell();
  }

  /** Gives up the connection, or the attempt at one, and tries again. */
  #fail(problem) {
    const generation = (this.#generation += 1);
    this.#forget(this.#session);
    this.#problem(problem);
    // Whoever heard of it may have closed the stream, or opened it again.
    if (generation === this.#generation) this.#retry();
  }

  #stop(closed) {
    this.#generation += 1;
    this.#forget(this.#session);
    this.#cancel(...this.#timers.keys());
    this.#retryAt = undefined;
    this.#closed = closed;
    this.#stale = false;
    this.#tell();
  }

  /** From here on nothing of the session is handed over, heard or sent. */
  #forget(session) {
    if (session === undefined) return;
    session.over = true;
    session.forgotten = true;
    session.waiting.length = 0;
    if ((session.closedAt ?? this.#clock.monotonic()) - session.openedAt >= STABLE_MS) this.#attempt = 0;
    if (this.#session === session) this.#session = undefined;
    this.#cancel('connect', 'renew');
    session.socket.close();
  }

  #heard(session, data) {
    const heardAt = this.#clock.now();
    this.#lastHeardAt = heardAt;
    this.#silentSince = this.#clock.monotonic();
    this.#stale = false;
    session.heard = true;
    const message = parse(data);
    if (message === undefined) return this.#fault({ kind: 'not_understood' });
    if (message.type === 'auth_expiring') this.#renew(session, 0);
    else if (message.type === 'error') this.#problem({ kind: 'server_error', code: message.code, message: message.message });
    else if (message.type !== 'pong') this.#enqueue(session, { message, heardAt });
    this.#tell();
  }

  /** Renews the token in place. When that fails, the connection ends with 4401 in time, and the next asks anew. */
  async #renew(session, attempt) {
    const { getToken } = this.#options;
    if (!getToken) return;
    try {
      const token = await getToken({ reason: 'expiring' });
      if (session.over || !token) return;
      session.token = token;
      this.send({ type: 'auth', token });
    } catch (error) {
      if (session.over) return;
      this.#problem({ kind: 'no_identity', error });
      this.#later('renew', this.#backoff(attempt), () => this.#renew(session, attempt + 1));
    }
  }

  #listenForSilence() {
    const limitMs = SILENT_HEARTBEATS_MAX * this.#options.heartbeatMs;
    this.#silentSince = this.#clock.monotonic();
    const look = () => {
      const leftMs = this.#silentSince + limitMs - this.#clock.monotonic();
      if (leftMs > 0) return this.#later('silence', leftMs, look);
      this.#stale = true;
      this.#tell();
      // Between connections there is nothing to give up; the next one listens again.
      if (this.#session?.openedAt !== undefined) this.#fail({ kind: 'silence' });
    };
    this.#later('silence', limitMs, look);
  }

  #enqueue(session, item) {
    if (session.waiting.length >= WAITING_MESSAGES_MAX && item.end === undefined) {
      // The log keeps them better than memory does: hand over what is here, then ask for the rest.
      session.over = true;
      session.live = false;
      session.socket.close();
      this.#cancel('renew');
      item = { end: () => this.#connect() };
    }
    session.waiting.push(item);
    if (!session.pumping) this.#pumping = this.#pump(session);
  }

  /** The one loop that calls the handler. It never fails. */
  async #pump(session) {
    session.pumping = true;
    while (session.waiting.length > 0) {
      const { message, heardAt, end } = session.waiting.shift();
      if (end !== undefined) {
        this.#forget(session);
        end();
        return;
      }
      await this.#take(session, message);
      if (session.forgotten) return;
      if (session.live) this.#asOf = heardAt;
      this.#tell();
    }
    session.pumping = false;
  }

  async #take(session, message) {
    switch (message.type) {
      case 'reset':
        return this.#takeReset(session, message);
      case 'initial_data':
        return this.#takeSnapshot(session, message);
      case 'caught_up':
      case 'heartbeat':
      case 'fell_behind':
        return this.#takePosition(session, message);
      default:
        return Number.isSafeInteger(message.offset) ? this.#takeEvent(session, message) : this.#hand(session, message);
    }
  }

  async #takeReset(session, message) {
    if (!(await this.#hand(session, message))) return;
    this.#epoch = this.#offset = this.#start = this.#doubtedAfter = undefined;
    session.reset = true;
    session.live = false;
  }

  async #takeSnapshot(session, message) {
    const cursor = parseCursor(message.cursor);
    if (cursor === undefined) return this.#fault({ kind: 'not_understood' });
    if (session.from !== undefined && !session.reset) {
      // Something on the way has lost the start that we asked for. What the handler holds is of another moment.
      this.#counters.faults += 1;
      this.#problem({ kind: 'start_ignored' });
      await this.#takeReset(session, { type: 'reset', reason: 'start_ignored' });
    }
    if (!(await this.#hand(session, message))) return;
    ({ epoch: this.#epoch, offset: this.#offset } = cursor);
    // A snapshot is of the present, whether or not `caught_up` follows it.
    session.live = true;
  }

  /** The server says how far it has sent everything. It cannot be behind what it has sent, nor in another log. */
  #takePosition(session, message) {
    const cursor = parseCursor(message.cursor) ?? { epoch: this.#epoch, offset: message.offset };
    if (!Number.isSafeInteger(cursor.offset)) return this.#fault({ kind: 'not_understood' });
    if (this.#expectsSnapshot(session)) return this.#fault({ kind: 'no_snapshot' });
    if (this.#epoch !== undefined && cursor.epoch !== this.#epoch) return this.#fault({ kind: 'log_changed' });
    if (cursor.offset < this.#offset) return this.#fault({ kind: 'went_back', expected: this.#offset, offset: cursor.offset });
    if (message.type === 'fell_behind') {
      session.live = false;
      return;
    }
    if (this.#isGap(cursor.offset, this.#offset)) return;
    this.#epoch = cursor.epoch;
    this.#offset = cursor.offset;
    if (message.type === 'caught_up') session.live = true;
  }

  async #takeEvent(session, message) {
    if (this.#expectsSnapshot(session)) return this.#fault({ kind: 'no_snapshot' });
    if (message.offset <= this.#offset) {
      this.#counters.repeats += 1;
      return;
    }
    if (this.#isGap(message.offset, this.#offset + 1)) return;
    if (await this.#hand(session, message)) this.#offset = message.offset;
  }

  #expectsSnapshot(session) {
    return this.#offset === undefined && (session.from === undefined || session.reset === true);
  }

  /** Where every offset is ours to see, a missing one is asked for once more; when it stays away, that is said. */
  #isGap(offset, expected) {
    if (!this.#options.contiguous || this.#offset === undefined || offset === expected) return false;
    if (this.#doubtedAfter !== this.#offset) {
      this.#doubtedAfter = this.#offset;
      this.#fault({ kind: 'gap', expected, offset });
      return true;
    }
    this.#counters.gaps += 1;
    this.#problem({ kind: 'gap_confirmed', expected, offset });
    return false;
  }

  /** Whether the handler has taken it. When it has not, the message comes again, on another connection. */
  async #hand(session, message) {
    if (session.forgotten) return false;
    try {
      await this.#options.onMessage(message, { live: session.live });
      this.#counters.delivered += 1;
      return true;
    } catch (error) {
      const problem = { kind: 'handler_failed', error };
      if (session.forgotten) this.#problem(problem);
      else this.#fail(problem);
      return false;
    }
  }

  /** The server, or something between us, has broken the promise: connect again with our own cursor. */
  #fault(problem) {
    this.#counters.faults += 1;
    this.#fail(problem);
  }

  #state() {
    if (this.#closed !== undefined) return 'closed';
    if (this.#stale) return 'stale';
    if (!this.#session?.heard) return 'connecting';
    return this.#session.live ? 'live' : 'catching_up';
  }

  #tell() {
    const state = this.#state();
    if (state === this.#told) return;
    this.#told = state;
    this.#call(this.#options.onStatus, this.status);
  }

  #problem(problem) {
    this.#call(this.#options.onProblem, problem);
  }

  /** What goes wrong in these is the caller's to see, and nothing that may stop the stream. */
  #call(callback, argument) {
    try {
      callback?.(argument);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  /** Of the stream (`ws`), or of a list for which a caller needs to be who may read the stream (`http`). */
  #url(scheme) {
    const url = new URL(this.#options.url);
    url.protocol = url.protocol.replace(/^(http|ws)/, scheme);
    const { eventId } = this.#options;
    const id = encodeURIComponent(eventId ?? '');
    const paths =
      eventId === undefined
        ? { ws: '/ws/events/dashboard/', http: '/api/events/?limit=1' }
        : { ws: `/ws/events/checkin/${id}/`, http: `/api/events/${id}/participants/?limit=1` };
    const below = url.pathname.replace(/\/$/, '');
    return new URL(below + paths[scheme], url);
  }

  #startFrom(from) {
    const text = from?.toString();
    if (text === 'earliest') this.#offset = 0;
    else if (/^\d+$/.test(text)) this.#offset = Number(text);
    else ({ epoch: this.#epoch, offset: this.#offset } = parseCursor(text) ?? {});
    if (this.#offset === undefined) this.#start = text;
  }

  #later(name, delayMs, call) {
    this.#cancel(name);
    this.#timers.set(
      name,
      this.#clock.setTimeout(() => {
        this.#timers.delete(name);
        call();
      }, delayMs),
    );
  }

  #cancel(...names) {
    for (const name of names) {
      this.#clock.clearTimeout(this.#timers.get(name));
      this.#timers.delete(name);
    }
  }
}

function parse(data) {
  try {
    const message = JSON.parse(data);
    return typeof message?.type === 'string' ? message : undefined;
  } catch {
    return undefined;
  }
}

/** The one place that looks inside a cursor: events carry their offset alone, and the epoch makes it a cursor. */
function parseCursor(text) {
  const [, epoch, digits] = /^(.+):(\d+)$/.exec(text ?? '') ?? [];
  return digits === undefined ? undefined : { epoch, offset: Number(digits) };
}
