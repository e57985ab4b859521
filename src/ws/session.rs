//! A WebSocket's life: what its subscription says goes out, what the client says is answered, and how
//! it ends. Where it starts and when its clocks ring is in `subscription`.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use hyper::upgrade::Upgraded;
use tokio::time::Instant;

use crate::{auth::AuthError, events::time::Timestamp};

use super::{
    Streams,
    ending::Ending,
    feed_reader::Access,
    identity::verified,
    protocol::{BadMessage, ClientMessage, ServerMessage, encode},
    socket::{Incoming, Socket},
    start::Asked,
    subscription::{Caller, Outgoing, Subscription, Text},
};

pub(crate) struct Session {
    subscription: Subscription,
    socket: Socket,
    rate: Rate,
}

/// Messages in the current second.
struct Rate {
    since: Instant,
    messages: u32,
}

impl Session {
    pub(crate) async fn run(
        streams: Streams,
        upgraded: Upgraded,
        caller: Caller,
        from: Option<Asked>,
    ) {
        let _open = caller.metrics(&streams.0.metrics).opened();
        let Some(socket) = Socket::open(upgraded, streams.0.limits.write_stall) else {
            tracing::error!("a stream came over something that is no TCP connection");
            return;
        };
        let (socket, ending) = match Subscription::begin(streams.clone(), caller, from).await {
            Ok(subscription) => {
                let mut session = Self {
                    subscription,
                    socket,
                    rate: Rate::new(),
                };
                let Err(ending) = session.follow().await;
                (session.socket, ending)
            }
            Err(ending) => (socket, ending),
        };
        streams.0.metrics.closed(ending);
        socket.close(ending.code()).await;
    }

    /// The one loop. Ends only with a reason.
    async fn follow(&mut self) -> Result<Infallible, Ending> {
        loop {
            let mut messages = Vec::new();
            let at_head = self.subscription.next(&mut messages).await;
            self.send(&messages).await?;
            drop(messages);
            if at_head? {
                if let Some(incoming) = self.wait().await? {
                    self.hear(incoming).await?;
                }
            } else {
                while let Some(incoming) = self.socket.recv_ready() {
                    self.hear(incoming).await?;
                }
            }
        }
    }

    /// Until there may be more to send, or something has come.
    async fn wait(&mut self) -> Result<Option<Incoming>, Ending> {
        let Some(fanout) = self.subscription.fanout() else {
            return tokio::select! {
                woken = self.subscription.wait() => woken.map(|()| None),
                incoming = self.socket.recv() => Ok(Some(incoming)),
            };
        };
        let cursor = self.subscription.cursor().offset;
        let Some(stay) = self.socket.park(&fanout, cursor) else {
            // Something has been given out meanwhile: read it.
            return Ok(None);
        };
        let incoming = tokio::select! {
            () = stay.over() => None,
            () = self.subscription.ring() => None,
            incoming = self.socket.recv() => Some(incoming),
        };
        let left = stay.leave();
        self.subscription.resume_at(left.cursor, left.said);
        self.socket.take_back(left.unsent);
        if left.gone {
            return Err(Ending::Left);
        }
        self.socket.flush().await?;
        Ok(incoming)
    }

    async fn hear(&mut self, incoming: Incoming) -> Result<(), Ending> {
        let limits = &self.subscription.streams().0.limits;
        // Who says goodbye is answered, however much came before.
        if incoming != Incoming::Closed && self.rate.count() > limits.messages_per_second_max {
            return Err(Ending::TooManyMessages);
        }
        match incoming {
            Incoming::Text(text) => match ClientMessage::parse(&text) {
                Ok(message) => self.answer(message).await,
                Err(bad) => self.complain(&bad).await,
            },
            Incoming::Binary => {
                let bad =
                    BadMessage::new("binary_message", "send text messages, one JSON object each");
                self.complain(&bad).await
            }
            Incoming::Control => Ok(self.socket.flush().await?),
            Incoming::TooBig => Err(Ending::TooBig),
            Incoming::NotUtf8 => Err(Ending::NotUtf8),
            Incoming::Closed => Err(Ending::Left),
            Incoming::Broken => Err(Ending::ProtocolError),
        }
    }

    async fn answer(&mut self, message: ClientMessage) -> Result<(), Ending> {
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
            ClientMessage::Auth { token } => match self.renew(&token) {
                Ok(()) => Ok(()),
                Err(bad) => self.complain(&bad).await,
            },
            ClientMessage::Resume { from } => match from.parse() {
                Ok(from) => self.subscription.restart(from).await,
                Err(rule) => self.complain(&BadMessage::new("invalid_from", rule)).await,
            },
        }
    }

    async fn send_participants(&mut self) -> Result<(), Ending> {
        let Caller::CheckIn(access) = self.subscription.caller() else {
            let bad = BadMessage::new(
                "no_participants_here",
                "the dashboard has no participants: open /ws/events/checkin/{event_id}",
            );
            return self.complain(&bad).await;
        };
        let inner = &self.subscription.streams().0;
        let encoded = inner
            .snapshots
            .check_in(&inner.views, access.gathering())
            .await?;
        let message = Outgoing {
            seen: None,
            text: Text::Pieces(encoded.participants()),
        };
        self.send(&[message]).await
    }

    /// Takes a new token of the same caller, in place.
    fn renew(&mut self, token: &str) -> Result<(), BadMessage> {
        let streams = self.subscription.streams();
        let inner = &streams.0;
        let caller = self.subscription.caller();
        let renewed = verified(streams, token, Timestamp::now()).map_err(|error| {
            let code = match error {
                AuthError::Missing | AuthError::Invalid(_) => "token_invalid",
                AuthError::Expired => "token_expired",
                AuthError::Revoked => "token_revoked",
            };
            BadMessage::new(code, error.to_string())
        })?;
        if renewed.id != caller.principal().id {
            return Err(BadMessage::new(
                "other_subject",
                "the token is somebody else's: open a new connection with it",
            ));
        }
        let renewed = match caller {
            Caller::CheckIn(access) => inner
                .views
                .row(access.gathering())
                .map(|row| Access::of(renewed, &row))
                .filter(Access::may_read)
                .map(Caller::CheckIn)
                .ok_or_else(|| {
                    BadMessage::new("not_allowed", "with this token you may not read this event")
                })?,
            Caller::Dashboard(_) => Caller::Dashboard(renewed),
        };
        self.subscription.renew(renewed);
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
        let text = encode(message).map(Text::Whole);
        let message = text.map(|text| Outgoing { seen: None, text });
        self.send(message.as_slice()).await
    }

    async fn send(&mut self, messages: &[Outgoing]) -> Result<(), Ending> {
        if messages.is_empty() {
            return Ok(());
        }
        let mut rest = messages;
        while let Some(message) = rest.first() {
            match &message.text {
                Text::Pieces(pieces) => {
                    self.socket.send_pieces(pieces).await?;
                    rest = rest.get(1..).unwrap_or_default();
                }
                Text::Whole(_) => {
                    let run = rest.iter().map_while(whole).count();
                    let (whole_ones, others) = rest.split_at(run);
                    self.socket
                        .send(whole_ones.iter().filter_map(whole))
                        .await?;
                    rest = others;
                }
            }
        }
        let bytes = messages.iter().map(|message| message.text.len()).sum();
        self.subscription.said(messages.len(), bytes);
        Ok(())
    }
}

const fn whole(message: &Outgoing) -> Option<&Bytes> {
    match &message.text {
        Text::Whole(text) => Some(text),
        Text::Pieces(_) => None,
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
