//! Fan-out: one task per gathering that writes for all of its readers who stand at the head. A reader
//! that has nothing else to do parks its line here; the same frames then go to one line after the
//! other, without waking a task for each.
//!
//! It is a short cut through the one loop (`session`), not another one: a line is given a page only if
//! it has all that came before and nothing of it. Whoever does not fit, does not take it whole, or may
//! have to be treated apart (a change of the team, a token taken back, an erasure) is let go and reads
//! on by itself from its own cursor. Why this pays: `docs/adr/0008`.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Weak},
    task::Poll,
};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::{net::TcpStream, sync::Notify, time::Instant};

use crate::{
    events::{
        event::Event,
        ids::{GatheringId, Offset},
        time::Timestamp,
    },
    projections::feed::{FeedEntry, Page},
};

use super::{
    Streams,
    protocol::{checkin_message, encode},
    socket::put_text,
};

/// Most events that are given out in one write.
const PAGE_EVENTS_MAX: usize = 64;
/// Longer pages are not given out: each reader fetches them for itself, bytes.
const PAGE_BYTES_MAX: usize = 64 * 1024;
/// Lines that are written to before other tasks have their turn.
const LINES_A_TURN: usize = 64;
/// Fewer lines are not worth another core: their readers need one, too.
const LINES_A_SHARE: usize = 2_048;
/// Lines that may wait to be taken in before the task is woken for them.
const ARRIVALS_MAX: usize = 256;

/// A connection, as its session and the fan-out share it.
pub(crate) struct Line {
    pub(crate) tcp: TcpStream,
    state: Mutex<State>,
    /// Of the session that has parked.
    session: AtomicWaker,
}

#[derive(Default)]
struct State {
    /// Counts how often the session has parked; a place is good for one stay.
    stay: u64,
    parked: bool,
    left: Left,
}

/// How a line stands after its stay.
#[derive(Default)]
pub(crate) struct Left {
    /// Everything up to here has been written, but for `unsent`.
    pub(crate) cursor: Offset,
    /// The rest of a frame that the kernel did not take whole.
    pub(crate) unsent: Vec<u8>,
    /// When something was written last, if anything was.
    pub(crate) said: Option<Instant>,
    pub(crate) gone: bool,
}

/// A stay of a line in a fan-out; over when dropped.
pub(crate) struct Stay {
    line: Arc<Line>,
    fanout: Arc<Fanout>,
}

/// The fan-outs at work.
#[derive(Default)]
pub(crate) struct Fanouts {
    by_gathering: Mutex<HashMap<GatheringId, Arc<Fanout>>>,
}

/// The readers of one gathering who stand at its head.
pub(crate) struct Fanout {
    gathering: GatheringId,
    arrivals: Mutex<Arrivals>,
    /// Wakes the task: many have arrived, or the last has left.
    look: Notify,
}

struct Arrivals {
    places: Vec<Place>,
    /// Everything up to here has been given out; who has not seen it all is too late.
    given: Offset,
    parked: usize,
    /// The task is over.
    closed: bool,
}

/// A line's place for one stay.
struct Place {
    /// Its session's alone: a connection that has ended is closed at once, whenever its place is swept up.
    line: Weak<Line>,
    stay: u64,
}

/// A page on its way to everybody.
struct Frames {
    bytes: Vec<u8>,
    messages: usize,
    /// Without the heads of the frames.
    text_bytes: usize,
    /// What was given out before; the first event in it; the offset that it reaches.
    given: Offset,
    first: Offset,
    covers: Offset,
    /// When the last event in it was recorded.
    newest: Timestamp,
}

enum Delivered {
    Whole,
    /// It has it already.
    Before,
    LetGo,
    /// The stay is over; not by us.
    Left,
}

impl Line {
    pub(crate) fn new(tcp: TcpStream) -> Arc<Self> {
        Arc::new(Self {
            tcp,
            state: Mutex::default(),
            session: AtomicWaker::new(),
        })
    }

    /// None: something has been given out that a reader at this cursor has not seen, or the fan-out is
    /// over.
    pub(crate) fn park(self: &Arc<Self>, fanout: &Arc<Fanout>, cursor: Offset) -> Option<Stay> {
        let mut arrivals = fanout.arrivals.lock();
        if arrivals.closed || cursor < arrivals.given {
            return None;
        }
        let stay = {
            let mut state = self.state.lock();
            state.stay += 1;
            state.parked = true;
            state.left = Left {
                cursor,
                ..Left::default()
            };
            state.stay
        };
        arrivals.parked += 1;
        arrivals.places.push(Place {
            line: Arc::downgrade(self),
            stay,
        });
        if arrivals.places.len() >= ARRIVALS_MAX {
            fanout.look.notify_one();
        }
        Some(Stay {
            line: Arc::clone(self),
            fanout: Arc::clone(fanout),
        })
    }

    fn deliver(&self, stay: u64, frames: &Frames, now: Instant) -> Delivered {
        let mut state = self.state.lock();
        if !state.parked || state.stay != stay {
            return Delivered::Left;
        }
        let cursor = state.left.cursor;
        if cursor >= frames.covers {
            return Delivered::Before;
        }
        if (frames.given..frames.first).contains(&cursor) {
            match self.tcp.try_write(&frames.bytes) {
                Ok(written) => {
                    state.left.cursor = frames.covers;
                    if frames.messages > 0 {
                        state.left.said = Some(now);
                    }
                    let rest = frames.bytes.get(written..).unwrap_or_default();
                    if rest.is_empty() {
                        return Delivered::Whole;
                    }
                    state.left.unsent = rest.to_vec();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => state.left.gone = true,
            }
        }
        state.parked = false;
        drop(state);
        self.session.wake();
        Delivered::LetGo
    }

    fn let_go(&self, stay: u64) {
        let mut state = self.state.lock();
        if state.stay == stay {
            state.parked = false;
        }
        drop(state);
        self.session.wake();
    }

    fn is_parked(&self, stay: u64) -> bool {
        let state = self.state.lock();
        state.parked && state.stay == stay
    }
}

impl Place {
    fn deliver(&self, frames: &Frames, now: Instant) -> Delivered {
        (self.line.upgrade()).map_or(Delivered::Left, |line| line.deliver(self.stay, frames, now))
    }

    fn let_go(&self) {
        if let Some(line) = self.line.upgrade() {
            line.let_go(self.stay);
        }
    }

    fn is_parked(&self) -> bool {
        (self.line.upgrade()).is_some_and(|line| line.is_parked(self.stay))
    }
}

impl Stay {
    /// Resolves when the line has been let go.
    pub(crate) async fn over(&self) {
        std::future::poll_fn(|cx| {
            self.line.session.register(cx.waker());
            if self.line.state.lock().parked {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }

    /// Ends it: nobody writes to the line from now on but its session.
    pub(crate) fn leave(self) -> Left {
        let mut state = self.line.state.lock();
        state.parked = false;
        std::mem::take(&mut state.left)
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.line.state.lock().parked = false;
        let mut arrivals = self.fanout.arrivals.lock();
        arrivals.parked -= 1;
        if arrivals.parked == 0 {
            self.fanout.look.notify_one();
        }
    }
}

impl Fanouts {
    /// The fan-out of a gathering, started if need be by a reader who has seen everything up to
    /// `cursor`.
    pub(crate) fn of(
        &self,
        streams: &Streams,
        gathering: GatheringId,
        cursor: Offset,
    ) -> Arc<Fanout> {
        let mut by_gathering = self.by_gathering.lock();
        if let Some(fanout) = by_gathering.get(&gathering)
            && !fanout.arrivals.lock().closed
        {
            return Arc::clone(fanout);
        }
        let fanout = Arc::new(Fanout {
            gathering,
            arrivals: Mutex::new(Arrivals {
                places: Vec::new(),
                given: cursor,
                parked: 0,
                closed: false,
            }),
            look: Notify::new(),
        });
        by_gathering.insert(gathering, Arc::clone(&fanout));
        streams
            .0
            .admission
            .spawn(run(Arc::clone(&fanout), streams.clone(), cursor));
        fanout
    }

    fn remove(&self, fanout: &Arc<Fanout>) {
        let mut by_gathering = self.by_gathering.lock();
        if (by_gathering.get(&fanout.gathering)).is_some_and(|other| Arc::ptr_eq(other, fanout)) {
            by_gathering.remove(&fanout.gathering);
        }
    }
}

impl Fanout {
    /// Takes in who has arrived. From here on everything up to `given` counts as given out.
    fn take_in(&self, places: &mut Vec<Place>, given: Offset) {
        let mut arrivals = self.arrivals.lock();
        arrivals.given = arrivals.given.max(given);
        places.append(&mut arrivals.places);
        let parked = arrivals.parked;
        drop(arrivals);
        // Readers come and go with every heartbeat; places whose stay is over are swept up here.
        if places.len() > 2 * parked + ARRIVALS_MAX {
            places.retain(Place::is_parked);
        }
    }

    /// Ends the task if nobody is left. Also when told to: then everybody is let go.
    fn close(&self, places: &mut Vec<Place>, whoever_is_left: bool) -> bool {
        let mut arrivals = self.arrivals.lock();
        if arrivals.parked > 0 && !whoever_is_left {
            return false;
        }
        arrivals.closed = true;
        places.append(&mut arrivals.places);
        drop(arrivals);
        let_all_go(places);
        true
    }
}

/// Follows the gathering for its parked readers; ends when the last has left.
async fn run(fanout: Arc<Fanout>, streams: Streams, after: Offset) {
    let over = Over { fanout, streams };
    let mut places = Vec::new();
    follow(&over.fanout, &over.streams, after, &mut places).await;
    let_all_go(&mut places);
}

/// Lets everybody find another fan-out, however this one ended.
struct Over {
    fanout: Arc<Fanout>,
    streams: Streams,
}

impl Drop for Over {
    fn drop(&mut self) {
        self.fanout.close(&mut Vec::new(), true);
        self.streams.0.fanouts.remove(&self.fanout);
    }
}

/// Returns when nobody is left, or when the view cannot be read: then the readers find out themselves.
async fn follow(fanout: &Fanout, streams: &Streams, after: Offset, places: &mut Vec<Place>) {
    let views = &streams.0.views;
    let Ok(mut wake) = views.watch_gathering(fanout.gathering).await else {
        return;
    };
    let Ok(mut reader) = views.reader(fanout.gathering, after).await else {
        return;
    };
    let mut given = after;
    loop {
        // From here on a change wakes, whether this read sees it already or not.
        wake.borrow_and_update();
        match reader.next(PAGE_EVENTS_MAX).await {
            Ok(Page::Entries {
                entries,
                covers,
                from_tail,
            }) => {
                fanout.take_in(places, covers);
                let plain = entries.iter().all(|entry| is_plain(&entry.recorded.event));
                match frames(&entries, given, covers).filter(|_| from_tail && plain) {
                    Some(frames) => give_out(streams, frames, places).await,
                    None => let_all_go(places),
                }
                given = covers;
            }
            Ok(Page::AtHead { .. }) => {
                fanout.take_in(places, given);
                if fanout.close(places, false) {
                    return;
                }
                tokio::select! {
                    changed = wake.changed() => if changed.is_err() { return },
                    () = fanout.look.notified() => {}
                }
            }
            Err(_) => return,
        }
    }
}

/// Writes the page to everybody, on as many cores as that is worth.
async fn give_out(streams: &Streams, frames: Frames, places: &mut Vec<Place>) {
    let frames = Arc::new(frames);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let shares = (places.len() / LINES_A_SHARE).clamp(1, cores);
    let share = places.len().div_ceil(shares);
    let mut others = Vec::new();
    for _ in 1..shares {
        let lines = places.split_off(places.len().saturating_sub(share));
        others.push(tokio::spawn(write_all(Arc::clone(&frames), lines)));
    }
    let (mut delivered, own) = write_all(Arc::clone(&frames), std::mem::take(places)).await;
    *places = own;
    for other in others {
        // It cannot panic; and if it did, its readers would be left waiting for the next clock.
        if let Ok((lines, mut still_here)) = other.await {
            delivered += lines;
            places.append(&mut still_here);
        }
    }
    let metrics = streams.0.metrics.check_in();
    metrics.sent(delivered * frames.messages, delivered * frames.text_bytes);
    if delivered > 0 && frames.messages > 0 {
        metrics.delivered_live(frames.newest);
    }
}

/// How many took the whole page, and who is still parked.
async fn write_all(frames: Arc<Frames>, mut places: Vec<Place>) -> (usize, Vec<Place>) {
    let mut index = 0;
    let mut lines = 0;
    let mut delivered = 0;
    let now = Instant::now();
    while let Some(place) = places.get(index) {
        match place.deliver(&frames, now) {
            Delivered::Whole => {
                delivered += 1;
                index += 1;
            }
            Delivered::Before => index += 1,
            Delivered::LetGo | Delivered::Left => {
                places.swap_remove(index);
            }
        }
        lines += 1;
        if lines % LINES_A_TURN == 0 {
            tokio::task::yield_now().await;
        }
    }
    (delivered, places)
}

fn let_all_go(places: &mut Vec<Place>) {
    for place in places.drain(..) {
        place.let_go();
    }
}

fn frames(entries: &[Arc<FeedEntry>], given: Offset, covers: Offset) -> Option<Frames> {
    let first = entries.first()?.offset();
    let newest = entries.last()?.recorded.recorded_at;
    let mut bytes = Vec::new();
    let (mut messages, mut text_bytes) = (0, 0);
    let silent = |entry: &FeedEntry| matches!(entry.recorded.event, Event::PersonalDataAccessed(_));
    for entry in entries.iter().filter(|entry| !silent(entry)) {
        let text = entry.encoded(|entry| encode(&checkin_message(entry)?))?;
        put_text(&mut bytes, &text);
        messages += 1;
        text_bytes += text.len();
    }
    // The rest of a page that a reader does not take whole is kept for it.
    (bytes.len() <= PAGE_BYTES_MAX).then_some(Frames {
        bytes,
        messages,
        text_bytes,
        given,
        first,
        covers,
        newest,
    })
}

/// Whether every reader of the gathering is told of it in the same way. Anything else may end a
/// stream, or change what its reader may see.
const fn is_plain(event: &Event) -> bool {
    matches!(
        event,
        Event::ParticipantRegistered(_)
            | Event::ParticipantCheckedIn(_)
            | Event::ParticipantCheckedOut(_)
            | Event::ScanRefused { .. }
            | Event::ScanUndone { .. }
            | Event::RegistrationCancelled { .. }
            | Event::PersonalDataAccessed(_)
    )
}
