//! `initial_data`: everything as it is at one offset. A gathering's snapshot is encoded once and
//! shared by everyone who connects meanwhile, so a thousand reconnects cost one.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::{
    auth::Principal,
    events::ids::{Cursor, Epoch, GatheringId, Offset},
    projections::{ViewError, Views, overview::Gathering, views::GatheringSnapshot},
};

use super::{Streams, feed_reader::Access, protocol::encode, subscription::Text};

/// Participants in one message; the rest is read by HTTP.
pub(crate) const PARTICIPANTS_MAX: usize = 5_000;
/// Gatherings in one message; the rest is read by HTTP.
const GATHERINGS_MAX: usize = 5_000;
/// Above this many participants encoding leaves the async threads.
const ENCODED_INLINE_MAX: usize = 100;
/// Gatherings whose encoded snapshot is kept.
const KEPT_MAX: usize = 64;

/// The encoded snapshots of the gatherings that people connect to.
#[derive(Default)]
pub(crate) struct Snapshots {
    slots: Mutex<HashMap<GatheringId, Arc<Slot>>>,
    /// The dashboard's rows.
    rows: Mutex<HashMap<GatheringId, (RowAge, Bytes)>>,
}

/// The offset of its last event, and how often a generation had taken another's place.
type RowAge = (Offset, u64);

#[derive(Default)]
struct Slot {
    encoded: tokio::sync::Mutex<Option<Arc<Encoded>>>,
    /// Since the last look.
    used: AtomicBool,
}

/// A gathering at an offset, in pieces that make up two messages.
pub(crate) struct Encoded {
    pub(crate) offset: Offset,
    /// Of its generation.
    switches: u64,
    /// `initial_data` is event, participants, end; `participants` is participants, end.
    event: Bytes,
    participants: Bytes,
    end: Bytes,
}

impl Encoded {
    /// The pieces of the message `initial_data`.
    pub(crate) fn initial_data(&self) -> [Bytes; 3] {
        [
            self.event.clone(),
            self.participants.clone(),
            self.end.clone(),
        ]
    }

    /// The pieces of the message `participants`.
    pub(crate) fn participants(&self) -> [Bytes; 3] {
        [
            Bytes::from_static(br#"{"type":"participants","participants":"#),
            self.participants.clone(),
            self.end.clone(),
        ]
    }
}

impl Snapshots {
    /// The gathering with all that was durable when this was called, or newer.
    pub(crate) async fn check_in(
        &self,
        views: &Views,
        gathering: GatheringId,
    ) -> Result<Arc<Encoded>, ViewError> {
        let wanted = views.log().last_offset_of(gathering);
        let slot = self.slot(gathering);
        slot.used.store(true, Ordering::Relaxed);
        // Those who come while one is being made wait here, and then share it or the next one.
        let mut kept = slot.encoded.lock().await;
        // Read before what it counts.
        let switches = views.switches();
        let is_current =
            |encoded: &&Arc<Encoded>| encoded.offset >= wanted && encoded.switches == switches;
        if let Some(encoded) = kept.as_ref().filter(is_current) {
            return Ok(Arc::clone(encoded));
        }
        let snapshot = views.snapshot(gathering, PARTICIPANTS_MAX).await?;
        let epoch = views.log().epoch();
        let encoded = if snapshot.participants.len() <= ENCODED_INLINE_MAX {
            encode_snapshot(&snapshot, epoch, switches)
        } else {
            tokio::task::spawn_blocking(move || encode_snapshot(&snapshot, epoch, switches))
                .await
                .unwrap_or(None)
        };
        let encoded = Arc::new(encoded.ok_or_else(|| {
            ViewError::Rebuild("the snapshot of the gathering does not encode".to_owned())
        })?);
        *kept = Some(Arc::clone(&encoded));
        Ok(encoded)
    }

    /// The dashboard's `initial_data`, with the gatherings that the caller may see.
    fn dashboard(&self, views: &Views, principal: &Principal) -> (Bytes, Offset) {
        // Read before what it counts.
        let switches = views.switches();
        let (mut rows, offset) = views.dashboard_snapshot();
        rows.retain(|row| Access::of(principal.clone(), row).may_read());
        rows.sort_by_key(|row| (row.details.start_date, row.id));
        let truncated = rows.len() > GATHERINGS_MAX;
        let mut text = br#"{"type":"initial_data","events":["#.to_vec();
        let mut kept = self.rows.lock();
        for (index, row) in rows.iter().take(GATHERINGS_MAX).enumerate() {
            if index > 0 {
                text.push(b',');
            }
            let now: RowAge = (row.offset, switches);
            let encoded = match kept.get(&row.id) {
                Some((at, encoded)) if *at == now => encoded.clone(),
                _ => {
                    let encoded = encode(&Gathering::of(row)).unwrap_or_default();
                    kept.insert(row.id, (now, encoded.clone()));
                    encoded
                }
            };
            text.extend_from_slice(&encoded);
        }
        drop(kept);
        let epoch = views.log().epoch();
        let truncated = if truncated {
            r#","events_truncated":true"#
        } else {
            ""
        };
        let end = format!(r#"]{truncated},"cursor":"{}"}}"#, Cursor { epoch, offset });
        text.extend_from_slice(end.as_bytes());
        (text.into(), offset)
    }

    /// Lets go of the kept one: somebody in it has been erased.
    pub(crate) fn forget(&self, gathering: GatheringId) {
        self.slots.lock().remove(&gathering);
    }

    /// Lets go of those that nobody has asked for since the last look, and of those that are no longer
    /// true: an old one may name somebody who has been erased since.
    pub(crate) fn tidy(&self, views: &Views) {
        self.slots.lock().retain(|gathering, slot| {
            let used = slot.used.swap(false, Ordering::Relaxed);
            match slot.encoded.try_lock() {
                Ok(encoded) => encoded.as_ref().is_some_and(|encoded| {
                    used && encoded.offset >= views.log().last_offset_of(*gathering)
                }),
                // Being made.
                Err(_) => true,
            }
        });
    }

    fn slot(&self, gathering: GatheringId) -> Arc<Slot> {
        let mut slots = self.slots.lock();
        if slots.len() >= KEPT_MAX && !slots.contains_key(&gathering) {
            // Dropping one only costs the next connect an encoding.
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(slots.entry(gathering).or_default())
    }
}

/// A gathering's `initial_data`.
pub(crate) async fn check_in(
    streams: &Streams,
    gathering: GatheringId,
) -> Result<(Text, Offset), ViewError> {
    let inner = &streams.0;
    let encoded = inner.snapshots.check_in(&inner.views, gathering).await?;
    Ok((Text::Pieces(encoded.initial_data()), encoded.offset))
}

/// The dashboard's `initial_data`.
pub(crate) fn dashboard(streams: &Streams, principal: &Principal) -> (Text, Offset) {
    let inner = &streams.0;
    let (text, offset) = inner.snapshots.dashboard(&inner.views, principal);
    (Text::Whole(text), offset)
}

fn encode_snapshot(snapshot: &GatheringSnapshot, epoch: Epoch, switches: u64) -> Option<Encoded> {
    let cursor = Cursor {
        epoch,
        offset: snapshot.offset,
    };
    let event = encode(&Gathering::of(&snapshot.row))?;
    let event = [
        &br#"{"type":"initial_data","event":"#[..],
        &event,
        br#","participants":"#,
    ];
    let truncated = if snapshot.truncated {
        r#","participants_truncated":true"#
    } else {
        ""
    };
    Some(Encoded {
        offset: snapshot.offset,
        switches,
        event: event.concat().into(),
        participants: encode(&snapshot.participants)?,
        end: format!(r#"{truncated},"cursor":"{cursor}"}}"#).into(),
    })
}
