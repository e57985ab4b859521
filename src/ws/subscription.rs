//! A subscription: where it starts, what it is told next, and its clocks (heartbeat, expiry, drain).
//! WebSocket (`session`) and SSE (`sse`) are two ways to carry the same one.
//!
//! Nothing here knows bytes on a wire or what a client says.

use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::{
    auth::{LEEWAY_SECONDS, Principal},
    events::{
        ids::{Cursor, Offset},
        time::Timestamp,
    },
};

use super::{
    Streams,
    ending::Ending,
    fanout::Fanout,
    feed_reader::{Access, StreamReader},
    metrics::{Behind, Metrics, StreamMetrics},
    protocol::{ResetReason, ServerMessage, encode},
    snapshot,
    start::{Asked, Start},
};

/// How long before its token expires a client is told, s.
const EXPIRY_WARNING_S: i64 = 60;
/// Clocks are looked at again after this long at the latest, s.
const CLOCK_LOOK_MAX_S: u64 = 3_600;
/// Most reads in a row that find more; after them a reader counts as behind.
const READS_BEFORE_BEHIND: u32 = 2;

/// Who has asked for a place in the log, or was sent back to a snapshot, hears when it has caught up.
const ANNOUNCE: bool = true;
/// How every message begins.
const TAG: &[u8] = br#"{"type":""#;

/// Who is connected, and to what.
pub(crate) enum Caller {
    CheckIn(Access),
    Dashboard(Principal),
}

/// One message on its way out.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// Everything up to here has been seen by who takes this message. None: it says nothing about that.
    pub(crate) seen: Option<Offset>,
    pub(crate) text: Text,
}

#[derive(Debug)]
pub(crate) enum Text {
    Whole(Bytes),
    /// A snapshot: shared parts that make one message.
    Pieces([Bytes; 3]),
}

pub(crate) struct Subscription {
    streams: Streams,
    caller: Caller,
    reader: StreamReader,
    /// Said before anything that the reader finds.
    first: Vec<Outgoing>,
    clocks: Clocks,
    /// Reads in a row that found more.
    reads: u32,
    behind: Option<Behind>,
    /// The caller may see other gatherings than before.
    view_changed: bool,
    /// Why it ends, once what came before has been said.
    ending: Option<Ending>,
}

struct Clocks {
    /// Rings when a clock wants to be looked at; never later than needed, sometimes earlier.
    alarm: Pin<Box<Sleep>>,
    draining: Pin<Box<WaitForCancellationFutureOwned>>,
    last_said: Instant,
    /// Whether this token's `auth_expiring` has been sent.
    warned: bool,
    closing_at: Option<Instant>,
}

impl Outgoing {
    /// A message about nothing in the log.
    pub(crate) fn aside(message: &ServerMessage<'_>) -> Option<Self> {
        Self::seen(message, None)
    }

    pub(crate) fn at(offset: Offset, message: &ServerMessage<'_>) -> Option<Self> {
        Self::seen(message, Some(offset))
    }

    fn seen(message: &ServerMessage<'_>, seen: Option<Offset>) -> Option<Self> {
        let text = Text::Whole(encode(message)?);
        Some(Self { seen, text })
    }
}

impl Text {
    /// The message's type, as it stands at its beginning.
    pub(crate) fn kind(&self) -> &[u8] {
        let start = match self {
            Self::Whole(text) => text,
            Self::Pieces([start, ..]) => start,
        };
        (start.strip_prefix(TAG))
            .and_then(|rest| rest.split(|byte| *byte == b'"').next())
            .unwrap_or(b"message")
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Whole(text) => text.len(),
            Self::Pieces(pieces) => pieces.iter().map(Bytes::len).sum(),
        }
    }
}

impl Caller {
    pub(crate) fn principal(&self) -> &Principal {
        match self {
            Self::CheckIn(access) => access.principal(),
            Self::Dashboard(principal) => principal,
        }
    }

    pub(crate) const fn metrics<'m>(&self, metrics: &'m Metrics) -> &'m StreamMetrics {
        match self {
            Self::CheckIn(_) => metrics.check_in(),
            Self::Dashboard(_) => metrics.dashboard(),
        }
    }
}

impl Subscription {
    /// Sets the cursor; what stands before the events is the first that is said.
    pub(crate) async fn begin(
        streams: Streams,
        caller: Caller,
        from: Option<Asked>,
    ) -> Result<Self, Ending> {
        let (first, reader) = begin(&streams, &caller, from, from.is_some()).await?;
        let clocks = Clocks::new(&streams);
        Ok(Self {
            streams,
            caller,
            reader,
            first,
            clocks,
            reads: 0,
            behind: None,
            view_changed: false,
            ending: None,
        })
    }

    /// The cursor of an offset of this log.
    pub(crate) fn cursor_at(&self, offset: Offset) -> Cursor {
        let epoch = self.streams.0.views.log().epoch();
        Cursor { epoch, offset }
    }

    /// Starts again somewhere else.
    pub(crate) async fn restart(&mut self, from: Asked) -> Result<(), Ending> {
        let (first, reader) = begin(&self.streams, &self.caller, Some(from), ANNOUNCE).await?;
        self.first = first;
        self.reader = reader;
        Ok(())
    }

    pub(crate) const fn caller(&self) -> &Caller {
        &self.caller
    }

    pub(crate) const fn streams(&self) -> &Streams {
        &self.streams
    }

    /// What comes next, to be sent before anything else is asked for, and whether that is all there is
    /// right now: then [`Self::wait`]. An ending comes with the call after the last message.
    pub(crate) async fn next(&mut self, out: &mut Vec<Outgoing>) -> Result<bool, Ending> {
        if let Some(ending) = self.ending {
            return Err(ending);
        }
        if self.view_changed {
            self.show_anew().await?;
        }
        out.append(&mut self.first);
        let rang = self.look_at_clocks(out)?;
        let batch = self.reader.next().await?;
        if batch.erased
            && let Caller::CheckIn(access) = &self.caller
        {
            self.streams.0.snapshots.forget(access.gathering());
        }
        let ending = batch.shut_out_with();
        out.extend(batch.messages);
        if let Some(recorded_at) = batch.newest {
            let metrics = self.caller.metrics(&self.streams.0.metrics);
            metrics.delivered_live(recorded_at);
        }
        if ending.is_some() {
            self.ending = ending;
            return Ok(false);
        }
        if rang {
            self.beat(out);
        }
        self.note_progress(batch.at_head);
        Ok(batch.at_head)
    }

    /// Waits until [`Self::next`] may have something. Safe to drop while waiting.
    pub(crate) async fn wait(&mut self) -> Result<(), Ending> {
        tokio::select! {
            changed = self.reader.changed() => Ok(changed?),
            () = self.clocks.ring() => Ok(()),
        }
    }

    /// Waits for a clock alone, while somebody else writes what happens. Safe to drop while waiting.
    pub(crate) async fn ring(&mut self) {
        self.clocks.ring().await;
    }

    pub(crate) fn cursor(&self) -> Cursor {
        self.reader.cursor()
    }

    /// Who may write for this reader while it stands at the head. None: it waits by itself, since its
    /// messages are not its neighbours'.
    pub(crate) fn fanout(&self) -> Option<Arc<Fanout>> {
        let Caller::CheckIn(access) = &self.caller else {
            return None;
        };
        let cursor = self.reader.cursor().offset;
        let fanouts = &self.streams.0.fanouts;
        Some(fanouts.of(&self.streams, access.gathering(), cursor))
    }

    /// Everything up to the cursor has been written by the fan-out.
    pub(crate) fn resume_at(&mut self, cursor: Offset, said: Option<Instant>) {
        self.reader.advance(cursor);
        if let Some(said) = said {
            self.clocks.last_said = said;
        }
    }

    /// Something has been sent; the next heartbeat is due that much later.
    pub(crate) fn said(&mut self, messages: usize, bytes: usize) {
        let metrics = self.caller.metrics(&self.streams.0.metrics);
        metrics.sent(messages, bytes);
        self.clocks.last_said = Instant::now();
    }

    /// The same caller with a new token, in place.
    pub(crate) fn renew(&mut self, renewed: Caller) {
        if let (Caller::Dashboard(before), Caller::Dashboard(now)) = (&self.caller, &renewed) {
            self.view_changed = !before.sees_as(now);
        }
        self.reader.renew(renewed.principal().clone());
        self.caller = renewed;
        self.clocks.warned = false;
        self.clocks.alarm.as_mut().reset(Instant::now());
    }

    /// The caller's dashboard shows another selection now: it starts from a new snapshot.
    async fn show_anew(&mut self) -> Result<(), Ending> {
        self.view_changed = false;
        let reason = ResetReason::ViewChanged;
        self.streams.0.metrics.reset(reason);
        let (first, reader) = begin(&self.streams, &self.caller, None, ANNOUNCE).await?;
        self.first = Outgoing::aside(&ServerMessage::Reset { reason })
            .into_iter()
            .chain(first)
            .collect();
        self.reader = reader;
        Ok(())
    }

    fn note_progress(&mut self, at_head: bool) {
        if at_head {
            self.reads = 0;
            self.behind = None;
            return;
        }
        self.reads = self.reads.saturating_add(1);
        match &self.behind {
            Some(behind) => behind.at(self.reader.cursor().offset),
            None if self.reads > READS_BEFORE_BEHIND => {
                let offset = self.reader.cursor().offset;
                self.behind = Some(self.streams.0.metrics.behind(offset));
            }
            None => {}
        }
    }

    /// Whether a clock has rung: then [`Self::beat`] sets it again.
    fn look_at_clocks(&mut self, out: &mut Vec<Outgoing>) -> Result<bool, Ending> {
        let now = Instant::now();
        let admission = &self.streams.0.admission;
        if admission.is_draining() && self.clocks.closing_at.is_none() {
            self.clocks.closing_at = Some(admission.closing_at());
        } else if self.clocks.alarm.deadline() > now {
            return Ok(false);
        }
        if (self.clocks.closing_at).is_some_and(|closing_at| closing_at <= now) {
            return Err(Ending::ServerStops);
        }
        let expires_at = self.caller.principal().expires_at;
        let today = Timestamp::now();
        if expires_at.plus_seconds(LEEWAY_SECONDS) < today {
            return Err(Ending::Expired);
        }
        if !self.clocks.warned && expires_at.plus_seconds(-EXPIRY_WARNING_S) <= today {
            self.clocks.warned = true;
            out.extend(Outgoing::aside(&ServerMessage::AuthExpiring { expires_at }));
        }
        Ok(true)
    }

    /// Tells where the cursor stands, if nothing else has been said for long, and sets the alarm.
    fn beat(&mut self, out: &mut Vec<Outgoing>) {
        let heartbeat = self.streams.0.limits.heartbeat;
        let now = Instant::now();
        if out.is_empty() && self.clocks.last_said + heartbeat <= now {
            let cursor = self.reader.cursor();
            let message = ServerMessage::Heartbeat {
                offset: cursor.offset,
                cursor,
                timestamp: Timestamp::now(),
            };
            out.extend(Outgoing::at(cursor.offset, &message));
        }
        if !out.is_empty() {
            self.clocks.last_said = now;
        }
        let expires_at = self.caller.principal().expires_at;
        self.clocks.set_alarm(expires_at, heartbeat);
    }
}

impl Clocks {
    fn new(streams: &Streams) -> Self {
        let now = Instant::now();
        Self {
            // Looked at once before anything is sent.
            alarm: Box::pin(sleep_until(now)),
            draining: Box::pin(streams.0.admission.draining()),
            last_said: now,
            warned: false,
            closing_at: None,
        }
    }

    /// Safe to drop while waiting.
    async fn ring(&mut self) {
        tokio::select! {
            () = self.alarm.as_mut() => {}
            () = self.draining.as_mut(), if self.closing_at.is_none() => {}
        }
    }

    fn set_alarm(&mut self, expires_at: Timestamp, heartbeat: Duration) {
        let token = if self.warned {
            // A moment past it, so that it has expired when the alarm rings.
            expires_at.plus_seconds(LEEWAY_SECONDS + 1)
        } else {
            expires_at.plus_seconds(-EXPIRY_WARNING_S)
        };
        let clock = (Instant::now() + until(token)).min(self.last_said + heartbeat);
        let clock = (self.closing_at).map_or(clock, |closing_at| clock.min(closing_at));
        self.alarm.as_mut().reset(clock);
    }
}

/// What stands before the events, and the reader of the events.
async fn begin(
    streams: &Streams,
    caller: &Caller,
    from: Option<Asked>,
    announce: bool,
) -> Result<(Vec<Outgoing>, StreamReader), Ending> {
    let views = &streams.0.views;
    let mut first = Vec::new();
    let after = match Start::resolve(from, views.log().epoch(), views.log().head()) {
        Start::After(offset) => offset,
        Start::Snapshot { reset } => {
            if let Some(reason) = reset {
                streams.0.metrics.reset(reason);
                first.extend(Outgoing::aside(&ServerMessage::Reset { reason }));
            }
            let (text, offset) = match caller {
                Caller::CheckIn(access) => snapshot::check_in(streams, access.gathering()).await?,
                Caller::Dashboard(principal) => snapshot::dashboard(streams, principal),
            };
            first.push(Outgoing {
                seen: Some(offset),
                text,
            });
            offset
        }
    };
    let reader = match caller {
        Caller::CheckIn(access) => {
            StreamReader::check_in(views, access.clone(), after, announce).await?
        }
        Caller::Dashboard(principal) => {
            StreamReader::dashboard(views, principal.clone(), after, announce)
        }
    };
    Ok((first, reader))
}

/// From now to a moment by the machine's clock, which may be set meanwhile: never far ahead.
fn until(moment: Timestamp) -> Duration {
    let micros = moment.0.saturating_sub(Timestamp::now().0);
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
        .min(Duration::from_secs(CLOCK_LOOK_MAX_S))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_tells_its_type() {
        let reset = ServerMessage::Reset {
            reason: ResetReason::Ahead,
        };
        let message = Outgoing::aside(&reset).unwrap();
        assert_eq!(message.text.kind(), b"reset");
        let start = Bytes::from_static(br#"{"type":"initial_data","event":"#);
        let pieces = [start, Bytes::from_static(b"{}"), Bytes::from_static(b"}")];
        assert_eq!(Text::Pieces(pieces).kind(), b"initial_data");
    }
}
