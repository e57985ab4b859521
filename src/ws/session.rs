//! A connection's life: where it starts, the loop that sends what lies behind the cursor, what the
//! client says, the clocks (heartbeat, expiry, drain), and how it ends.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use hyper::upgrade::Upgraded;
use tokio::time::{Instant, sleep_until};

use crate::{
    auth::{AuthError, LEEWAY_SECONDS, Principal},
    events::{ids::Offset, time::Timestamp},
};

use super::{
    Streams,
    ending::Ending,
    feed_reader::{Access, StreamReader},
    identity::verified,
    metrics::{Metrics, StreamMetrics},
    protocol::{BadMessage, ClientMessage, ServerMessage, encode},
    snapshot,
    socket::{Incoming, Socket},
    start::{Asked, Start},
};

/// Most text between two flushes, bytes.
const FLUSH_BYTES_MAX: usize = 64 * 1024;
/// How long before its token expires a client is told, s.
const EXPIRY_WARNING_S: i64 = 60;
/// Clocks are looked at again after this long at the latest, s.
const CLOCK_LOOK_MAX_S: u64 = 3_600;

/// Who is connected, and to what.
pub(crate) enum Caller {
    CheckIn(Access),
    Dashboard(Principal),
}

pub(crate) struct Session {
    streams: Streams,
    socket: Socket,
    caller: Caller,
    /// Whether this token's `auth_expiring` has been sent.
    warned: bool,
    last_sent: Instant,
    closing_at: Option<Instant>,
    rate: Rate,
}

/// Messages in the current second.
struct Rate {
    since: Instant,
    messages: u32,
}

impl Caller {
    pub(crate) fn principal(&self) -> &Principal {
        match self {
            Self::CheckIn(access) => access.principal(),
            Self::Dashboard(principal) => principal,
        }
    }

    const fn metrics<'m>(&self, metrics: &'m Metrics) -> &'m StreamMetrics {
        match self {
            Self::CheckIn(_) => metrics.check_in(),
            Self::Dashboard(_) => metrics.dashboard(),
        }
    }
}

impl Session {
    pub(crate) async fn run(
        streams: Streams,
        upgraded: Upgraded,
        caller: Caller,
        from: Option<Asked>,
    ) {
        let _open = caller.metrics(&streams.0.metrics).opened();
        let socket = Socket::open(upgraded, streams.0.limits.write_stall).await;
        let mut session = Self {
            streams,
            socket,
            caller,
            warned: false,
            last_sent: Instant::now(),
            closing_at: None,
            rate: Rate::new(),
        };
        let Err(ending) = session.begin_and_follow(from).await;
        session.streams.0.metrics.closed(ending);
        // As long as one is kept, somebody is connected who hears of an erasure.
        session.forget_snapshot();
        session.socket.close(ending.code()).await;
    }

    async fn begin_and_follow(&mut self, from: Option<Asked>) -> Result<Infallible, Ending> {
        let mut reader = self.begin(from).await?;
        self.follow(&mut reader).await
    }

    /// Sends what stands before the events, and sets the cursor.
    async fn begin(&mut self, from: Option<Asked>) -> Result<StreamReader, Ending> {
        let views = self.streams.0.views.clone();
        let start = Start::resolve(from, views.log().epoch(), views.log().head());
        let after = match start {
            Start::After(offset) => offset,
            Start::Snapshot { reset } => {
                if let Some(reason) = reset {
                    self.say(&ServerMessage::Reset { reason }).await?;
                }
                self.send_snapshot().await?
            }
        };
        let announce = from.is_some();
        Ok(match &self.caller {
            Caller::CheckIn(access) => {
                StreamReader::check_in(&views, access.clone(), after, announce).await?
            }
            Caller::Dashboard(principal) => {
                StreamReader::dashboard(&views, principal.clone(), after, announce)
            }
        })
    }

    async fn send_snapshot(&mut self) -> Result<Offset, Ending> {
        let inner = &self.streams.0;
        match &self.caller {
            Caller::CheckIn(access) => {
                let encoded = inner
                    .snapshots
                    .check_in(&inner.views, access.gathering())
                    .await?;
                self.send_pieces(&encoded.initial_data()).await?;
                Ok(encoded.offset)
            }
            Caller::Dashboard(principal) => {
                let (message, offset) = snapshot::dashboard(&inner.views, principal);
                self.send(message.as_slice()).await?;
                Ok(offset)
            }
        }
    }

    /// The one loop. Ends only with a reason.
    async fn follow(&mut self, reader: &mut StreamReader) -> Result<Infallible, Ending> {
        loop {
            while let Some(incoming) = self.socket.recv_ready() {
                self.hear(incoming, reader).await?;
            }
            self.look_at_clocks(reader).await?;
            let batch = reader.next().await?;
            if batch.erased {
                self.forget_snapshot();
            }
            self.send(&batch.messages).await?;
            if let Some(ending) = batch.shut_out_with() {
                return Err(ending);
            }
            if batch.at_head {
                self.wait(reader).await?;
            }
        }
    }

    fn forget_snapshot(&self) {
        if let Caller::CheckIn(access) = &self.caller {
            self.streams.0.snapshots.forget(access.gathering());
        }
    }

    async fn wait(&mut self, reader: &mut StreamReader) -> Result<(), Ending> {
        let wake_at = self.next_clock();
        let admission = &self.streams.0.admission;
        let incoming = tokio::select! {
            changed = reader.changed() => return Ok(changed?),
            incoming = self.socket.recv() => incoming,
            () = sleep_until(wake_at) => return Ok(()),
            () = admission.draining(), if self.closing_at.is_none() => return Ok(()),
        };
        self.hear(incoming, reader).await
    }

    async fn look_at_clocks(&mut self, reader: &StreamReader) -> Result<(), Ending> {
        let now = Instant::now();
        if self.streams.0.admission.is_draining() && self.closing_at.is_none() {
            self.closing_at = Some(self.streams.0.admission.closing_at());
        }
        if self.closing_at.is_some_and(|closing_at| closing_at <= now) {
            return Err(Ending::ServerStops);
        }
        let expires_at = self.caller.principal().expires_at;
        let today = Timestamp::now();
        if expires_at.plus_seconds(LEEWAY_SECONDS) < today {
            return Err(Ending::Expired);
        }
        if !self.warned && expires_at.plus_seconds(-EXPIRY_WARNING_S) <= today {
            self.warned = true;
            self.say(&ServerMessage::AuthExpiring { expires_at })
                .await?;
        }
        if self.last_sent + self.streams.0.limits.heartbeat <= now {
            let cursor = reader.cursor();
            self.say(&ServerMessage::Heartbeat {
                offset: cursor.offset,
                cursor,
                timestamp: today,
            })
            .await?;
        }
        Ok(())
    }

    /// When a clock wants to be looked at next.
    fn next_clock(&self) -> Instant {
        let expires_at = self.caller.principal().expires_at;
        let token = if self.warned {
            expires_at.plus_seconds(LEEWAY_SECONDS)
        } else {
            expires_at.plus_seconds(-EXPIRY_WARNING_S)
        };
        let heartbeat = self.last_sent + self.streams.0.limits.heartbeat;
        let clock = (Instant::now() + until(token)).min(heartbeat);
        self.closing_at
            .map_or(clock, |closing_at| clock.min(closing_at))
    }

    async fn hear(&mut self, incoming: Incoming, reader: &mut StreamReader) -> Result<(), Ending> {
        if self.rate.count() > self.streams.0.limits.messages_per_second_max {
            return Err(Ending::TooManyMessages);
        }
        match incoming {
            Incoming::Text(text) => match ClientMessage::parse(&text) {
                Ok(message) => self.answer(message, reader).await,
                Err(bad) => self.complain(&bad).await,
            },
            Incoming::Binary => {
                let bad =
                    BadMessage::new("binary_message", "send text messages, one JSON object each");
                self.complain(&bad).await
            }
            Incoming::Control => Ok(()),
            Incoming::TooBig => Err(Ending::TooBig),
            Incoming::NotUtf8 => Err(Ending::NotUtf8),
            Incoming::Closed => Err(Ending::Left),
            Incoming::Broken => Err(Ending::ProtocolError),
        }
    }

    async fn answer(
        &mut self,
        message: ClientMessage,
        reader: &mut StreamReader,
    ) -> Result<(), Ending> {
        match message {
            ClientMessage::GetParticipants => self.send_participants().await,
            ClientMessage::Ping { timestamp } => {
                let server_time = Timestamp::now();
                self.say(&ServerMessage::Pong {
                    timestamp: &timestamp,
                    server_time,
                })
                .await
            }
            ClientMessage::Auth { token } => match self.renew(&token, reader) {
                Ok(()) => Ok(()),
                Err(bad) => self.complain(&bad).await,
            },
            ClientMessage::Resume { from } => match from.parse() {
                Ok(from) => {
                    *reader = self.begin(Some(from)).await?;
                    Ok(())
                }
                Err(rule) => self.complain(&BadMessage::new("invalid_from", rule)).await,
            },
        }
    }

    async fn send_participants(&mut self) -> Result<(), Ending> {
        let Caller::CheckIn(access) = &self.caller else {
            let bad = BadMessage::new(
                "no_participants_here",
                "the dashboard has no participants: open /ws/events/checkin/{event_id}",
            );
            return self.complain(&bad).await;
        };
        let inner = &self.streams.0;
        let encoded = inner
            .snapshots
            .check_in(&inner.views, access.gathering())
            .await?;
        self.send_pieces(&encoded.participants()).await
    }

    /// Takes a new token of the same caller, in place.
    fn renew(&mut self, token: &str, reader: &mut StreamReader) -> Result<(), BadMessage> {
        let inner = &self.streams.0;
        let renewed = verified(&self.streams, token, Timestamp::now()).map_err(|error| {
            let code = match error {
                AuthError::Missing | AuthError::Invalid(_) => "token_invalid",
                AuthError::Expired => "token_expired",
                AuthError::Revoked => "token_revoked",
            };
            BadMessage::new(code, error.to_string())
        })?;
        if renewed.id != self.caller.principal().id {
            return Err(BadMessage::new(
                "other_subject",
                "the token is somebody else's: open a new connection with it",
            ));
        }
        match &mut self.caller {
            Caller::CheckIn(access) => {
                let renewed_access = inner
                    .views
                    .row(access.gathering())
                    .map(|row| Access::of(renewed.clone(), &row))
                    .filter(Access::may_read)
                    .ok_or_else(|| {
                        BadMessage::new(
                            "not_allowed",
                            "with this token you may not read this event",
                        )
                    })?;
                *access = renewed_access;
            }
            Caller::Dashboard(principal) => *principal = renewed.clone(),
        }
        reader.renew(renewed);
        self.warned = false;
        Ok(())
    }

    async fn complain(&mut self, bad: &BadMessage) -> Result<(), Ending> {
        self.say(&ServerMessage::Error {
            code: bad.code,
            message: &bad.message,
        })
        .await
    }

    async fn say(&mut self, message: &ServerMessage<'_>) -> Result<(), Ending> {
        self.send(encode(message).as_slice()).await
    }

    /// Everything in one flush, or in as many as [`FLUSH_BYTES_MAX`] asks for.
    async fn send(&mut self, messages: &[Bytes]) -> Result<(), Ending> {
        if messages.is_empty() {
            return Ok(());
        }
        let mut unflushed_bytes = 0;
        for message in messages {
            if unflushed_bytes > 0 && unflushed_bytes + message.len() > FLUSH_BYTES_MAX {
                self.socket.flush().await?;
                unflushed_bytes = 0;
            }
            self.socket.feed(std::slice::from_ref(message)).await?;
            unflushed_bytes += message.len();
        }
        self.sent(messages.len()).await
    }

    /// One message of several pieces.
    async fn send_pieces(&mut self, pieces: &[Bytes]) -> Result<(), Ending> {
        self.socket.feed(pieces).await?;
        self.sent(1).await
    }

    async fn sent(&mut self, messages: usize) -> Result<(), Ending> {
        self.caller.metrics(&self.streams.0.metrics).sent(messages);
        self.socket.flush().await?;
        self.last_sent = Instant::now();
        Ok(())
    }
}

impl Rate {
    fn new() -> Self {
        Self {
            since: Instant::now(),
            messages: 0,
        }
    }

    /// How many there were in this second, with this one.
    fn count(&mut self) -> u32 {
        let now = Instant::now();
        if now.duration_since(self.since) >= Duration::from_secs(1) {
            *self = Self::new();
        }
        self.messages += 1;
        self.messages
    }
}

/// From now to a moment by the machine's clock, which may be set meanwhile: never far ahead.
fn until(moment: Timestamp) -> Duration {
    let micros = moment.0.saturating_sub(Timestamp::now().0);
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
        .min(Duration::from_secs(CLOCK_LOOK_MAX_S))
}
