//! Gives offsets and fills frames; the writer thread takes them out at the other end.
//!
//! Everything under one short lock, so that offsets, `recorded_at` and the order in the frames
//! agree. The next frame fills while the last one syncs: that is the group commit.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::oneshot;

use super::{
    AppendError, EVENT_BYTES_MAX, FRAME_BYTES_MAX, FRAME_EVENTS_MAX, QUEUE_EVENTS_MAX, frame,
};
use crate::events::{
    codec,
    ids::{EventId, Offset},
    recorded::{NewEvent, Recorded},
    time::Timestamp,
};

/// With fewer events in flight than this, a frame never waits for company.
const GATHER_EVENTS_MIN: usize = 8;
/// Longest that a frame waits for the writers whose last events have just been answered. Without it
/// they fall into two halves that sync in turn, each at the full price of a sync. (PostgreSQL's
/// `commit_delay` and `commit_siblings`, with the siblings counted.)
const GATHER_TIME_MAX: Duration = Duration::from_millis(1);

pub(super) type Answer = Result<(), AppendError>;

/// Resolves once the event is durable.
#[derive(Debug)]
pub struct Durable(oneshot::Receiver<Answer>);

impl Durable {
    /// # Errors
    /// [`AppendError::Poisoned`] when the write or the sync failed, or the log was dropped.
    pub async fn wait(self) -> Answer {
        self.0.await.unwrap_or_else(|_| Err(gone()))
    }

    /// The same for threads outside an async runtime (inside one, tokio panics).
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub fn wait_blocking(self) -> Answer {
        self.0.blocking_recv().unwrap_or_else(|_| Err(gone()))
    }
}

fn gone() -> AppendError {
    AppendError::Poisoned("the log was closed before the event was written".into())
}

#[derive(Debug)]
pub(super) struct Sequencer {
    queue: Mutex<Queue>,
    filled: Condvar,
}

#[derive(Debug)]
struct Queue {
    next: Offset,
    last_recorded_at: Timestamp,
    frames: VecDeque<Filling>,
    /// Events in `frames` and in the frame that the writer has in hand.
    waiting: usize,
    /// How many were waiting when the last frame was done: as many writers are there.
    in_flight: usize,
    /// The writer sleeps until so many wait.
    wake_at: usize,
    refused: Option<Arc<str>>,
    failed: bool,
    closing: bool,
}

/// A frame that is not written yet.
#[derive(Debug)]
pub(super) struct Filling {
    pub(super) first: Offset,
    /// Room for the frame's header, then the encoded events.
    pub(super) bytes: Vec<u8>,
    /// Each with its encoded size.
    pub(super) events: Vec<(Arc<Recorded>, usize)>,
    pub(super) waiters: Vec<oneshot::Sender<Answer>>,
}

impl Sequencer {
    pub(super) fn new(head: Offset, last_recorded_at: Timestamp) -> Self {
        Self {
            queue: Mutex::new(Queue {
                next: head + 1,
                last_recorded_at,
                frames: VecDeque::new(),
                waiting: 0,
                in_flight: 0,
                wake_at: 1,
                refused: None,
                failed: false,
                closing: false,
            }),
            filled: Condvar::new(),
        }
    }

    pub(super) fn append(&self, event: NewEvent) -> Result<(Arc<Recorded>, Durable), AppendError> {
        let event_id = EventId::generate();
        let (sender, receiver) = oneshot::channel();
        let mut queue = self.queue.lock();
        if let Some(reason) = &queue.refused {
            return Err(AppendError::Poisoned(Arc::clone(reason)));
        }
        if queue.waiting >= QUEUE_EVENTS_MAX {
            return Err(AppendError::Busy);
        }
        let recorded_at = event.decided_at.max(queue.last_recorded_at);
        let recorded = Arc::new(record(event, event_id, queue.next, recorded_at));
        queue.push(Arc::clone(&recorded), sender)?;
        queue.last_recorded_at = recorded_at;
        queue.next += 1;
        queue.waiting += 1;
        let enough = queue.waiting >= queue.wake_at;
        drop(queue);
        if enough {
            self.filled.notify_one();
        }
        Ok((recorded, Durable(receiver)))
    }

    /// The next frame to write, once there is one; none when the log closes and all is written.
    pub(super) fn take(&self) -> Option<Filling> {
        let mut queue = self.queue.lock();
        loop {
            if !queue.frames.is_empty() {
                self.gather(&mut queue);
            }
            if let Some(frame) = queue.frames.pop_front() {
                return Some(frame);
            }
            if queue.closing {
                return None;
            }
            self.filled.wait(&mut queue);
        }
    }

    fn gather(&self, queue: &mut MutexGuard<'_, Queue>) {
        let company = queue.company();
        if queue.waiting < company && !queue.closing {
            queue.wake_at = company;
            self.filled.wait_for(queue, GATHER_TIME_MAX);
            queue.wake_at = 1;
        }
    }

    /// The writer is done with this many events, for better or worse.
    pub(super) fn done(&self, events: usize) {
        let mut queue = self.queue.lock();
        queue.in_flight = queue.waiting;
        queue.waiting -= events;
    }

    /// From now on nothing is taken; what is queued is answered with the reason.
    pub(super) fn poison(&self, reason: &Arc<str>) {
        let abandoned = {
            let mut queue = self.queue.lock();
            if !std::mem::replace(&mut queue.failed, true) {
                queue.refused = Some(Arc::clone(reason));
            }
            let abandoned = std::mem::take(&mut queue.frames);
            let events: usize = abandoned.iter().map(|frame| frame.events.len()).sum();
            queue.waiting -= events;
            abandoned
        };
        for waiter in abandoned.into_iter().flat_map(|frame| frame.waiters) {
            // Whoever stopped waiting does not need the answer.
            drop(waiter.send(Err(AppendError::Poisoned(Arc::clone(reason)))));
        }
    }

    /// Refuses later appends and lets the writer finish what is queued.
    pub(super) fn close(&self) {
        let mut queue = self.queue.lock();
        queue
            .refused
            .get_or_insert_with(|| "the log is closed".into());
        queue.closing = true;
        drop(queue);
        self.filled.notify_all();
    }

    pub(super) fn refused(&self) -> Option<Arc<str>> {
        self.queue.lock().refused.clone()
    }

    /// Why, when a write or a sync failed; closing is not a failure.
    pub(super) fn failed(&self) -> Option<Arc<str>> {
        let queue = self.queue.lock();
        queue.refused.clone().filter(|_| queue.failed)
    }

    /// Events that wait for the disk.
    pub(super) fn waiting(&self) -> usize {
        self.queue.lock().waiting
    }
}

impl Queue {
    /// How many events the next frame should wait for: most of those whose writers are known to be
    /// there, as far as they fit.
    fn company(&self) -> usize {
        if self.in_flight < GATHER_EVENTS_MIN || self.frames.len() > 1 {
            return 0;
        }
        (self.in_flight - self.in_flight / 8).min(FRAME_EVENTS_MAX)
    }

    fn push(
        &mut self,
        recorded: Arc<Recorded>,
        waiter: oneshot::Sender<Answer>,
    ) -> Result<(), AppendError> {
        let full = self
            .frames
            .back()
            .is_none_or(|frame| frame.events.len() >= FRAME_EVENTS_MAX);
        if full {
            self.frames.push_back(Filling::starting_at(recorded.offset));
        }
        if let Some(frame) = self.frames.back_mut() {
            match frame.encode(&recorded) {
                Ok(bytes) if frame.bytes.len() <= FRAME_BYTES_MAX => {
                    frame.take_in(recorded, bytes, waiter);
                }
                Ok(bytes) => {
                    let mut next = Filling::starting_at(recorded.offset);
                    let moved = frame.bytes.len() - bytes;
                    next.bytes.extend_from_slice(&frame.bytes[moved..]);
                    frame.bytes.truncate(moved);
                    next.take_in(recorded, bytes, waiter);
                    self.frames.push_back(next);
                }
                Err(too_large) => {
                    if frame.events.is_empty() {
                        self.frames.pop_back();
                    }
                    return Err(too_large);
                }
            }
        }
        Ok(())
    }
}

impl Filling {
    fn starting_at(first: Offset) -> Self {
        Self {
            first,
            bytes: vec![0; frame::HEADER_BYTES],
            events: Vec::new(),
            waiters: Vec::new(),
        }
    }

    /// Appends the event's bytes and says how many; the frame may then be over its limit.
    fn encode(&mut self, recorded: &Recorded) -> Result<usize, AppendError> {
        let start = self.bytes.len();
        let encoded = codec::encode(recorded, &mut self.bytes);
        let bytes = self.bytes.len() - start;
        if encoded.is_ok() && bytes <= EVENT_BYTES_MAX {
            return Ok(bytes);
        }
        self.bytes.truncate(start);
        // Text too long for its length field is the only way that encoding fails.
        Err(AppendError::TooLarge {
            bytes: bytes.max(EVENT_BYTES_MAX + 1),
            max: EVENT_BYTES_MAX,
        })
    }

    fn take_in(&mut self, recorded: Arc<Recorded>, bytes: usize, waiter: oneshot::Sender<Answer>) {
        self.events.push((recorded, bytes));
        self.waiters.push(waiter);
    }
}

fn record(event: NewEvent, event_id: EventId, offset: Offset, recorded_at: Timestamp) -> Recorded {
    Recorded {
        offset,
        event_id,
        gathering: event.gathering,
        recorded_at,
        occurred_at: event.occurred_at,
        actor: event.actor,
        correlation: event.correlation,
        causation: event.causation,
        command: event.command,
        event: event.event,
    }
}
