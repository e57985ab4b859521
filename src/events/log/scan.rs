//! One pass over all frames: is it one unbroken history, the one that the witness saw, and what is
//! in it? Opening builds its indexes from it; `verify` looks deeper and shares its words for what is
//! wrong.

use std::collections::HashMap;

use bytes::Bytes;

use super::{
    OpenError,
    codes::Codes,
    frame::{self, ChainHash, Frame, FrameError, GENESIS},
    index::Index,
    store::FrameStore,
    witness::Stamp,
};
use crate::events::{
    codec::{DecodeError, Record},
    ids::{GatheringId, Offset, ParticipantId},
    keys::SubjectId,
    time::Timestamp,
};

/// What to do about a damaged log.
const RESTORE: &str = "Keep this directory as it is and restore the newest backup into an empty one (doorbook restore)";

/// What the pass has found so far.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) index: Index,
    pub(super) codes: Codes,
    /// Whose keys must be gone, in log order.
    pub(super) erased: Vec<(GatheringId, ParticipantId)>,
    pub(super) head: Offset,
    pub(super) chain: ChainHash,
    pub(super) last_recorded_at: Timestamp,
    pub(super) frames: u64,
}

/// A pass that came to the end, or to a torn frame that may be cut.
pub(super) struct Scanned {
    pub(super) scan: Scan,
    /// First offset of the torn frame.
    pub(super) torn: Option<Offset>,
}

impl Scan {
    /// The same by gathering, as the keys are kept.
    pub(super) fn erased_by_gathering(&self) -> HashMap<GatheringId, Vec<SubjectId>> {
        let mut by_gathering: HashMap<_, Vec<SubjectId>> = HashMap::new();
        for (gathering, participant) in &self.erased {
            let subjects = by_gathering.entry(*gathering).or_default();
            subjects.push(participant.to_bytes());
        }
        by_gathering
    }

    /// Reads the headers of every frame.
    pub(super) fn run(store: &dyn FrameStore, stamp: Option<&Stamp>) -> Result<Scanned, OpenError> {
        let mut scan = Self {
            index: Index::default(),
            codes: Codes::default(),
            erased: Vec::new(),
            head: 0,
            chain: GENESIS,
            last_recorded_at: Timestamp(i64::MIN),
            frames: 0,
        };
        let mut torn: Option<(Offset, &'static str)> = None;
        for entry in store.frames() {
            let (key, bytes) = entry.map_err(|reason| damaged(scan.head + 1, reason))?;
            if let Some((first, what)) = torn {
                // A later frame is written only after this one was durable: not a torn tail.
                return Err(damaged(first, what));
            }
            match scan.frame(key, &bytes, stamp) {
                Ok(()) => {}
                Err(Fault::Torn(what)) => torn = Some((scan.head + 1, what)),
                Err(Fault::Broken(error)) => return Err(error),
            }
        }
        reaches(scan.head, torn, stamp)?;
        let torn = torn.map(|(first, _)| first);
        Ok(Scanned { scan, torn })
    }

    fn frame(&mut self, key: Offset, bytes: &Bytes, stamp: Option<&Stamp>) -> Result<(), Fault> {
        let next = self.head + 1;
        if key != next {
            return Err(Fault::broken(next, "it is missing"));
        }
        let frame = Frame::parse(bytes).map_err(Fault::frame)?;
        follows(next, &self.chain, (frame.first, &frame.previous))?;
        for record in frame.records() {
            let offset = self.head + 1;
            record
                .and_then(|record| self.record(&record, frame.first))
                .map_err(|error| Fault::record(offset, error))?;
        }
        self.chain = frame::chain_hash(bytes);
        self.frames += 1;
        witnessed((frame.first, frame.last()), &self.chain, stamp)
    }

    fn record(&mut self, record: &Record<'_>, first: Offset) -> Result<(), DecodeError> {
        record.check_known()?;
        let gathering = record.gathering();
        if record.recorded_at() < self.last_recorded_at {
            return Err(DecodeError::Backwards);
        }
        if let Some(code) = record.registered_code()? {
            self.codes.registered(code, gathering);
        }
        if record.is_erasure()
            && let Some(subject) = record.decode()?.event.subject()
        {
            self.erased.push((gathering, subject.participant));
        }
        self.last_recorded_at = record.recorded_at();
        self.index.note(gathering, first, record.offset());
        self.head = record.offset();
        Ok(())
    }
}

/// A frame's first offset and its word for the frame before must be what the history so far asks for.
pub(super) fn follows(
    next: Offset,
    chain: &ChainHash,
    (first, previous): (Offset, &ChainHash),
) -> Result<(), Fault> {
    if first != next {
        return Err(Fault::broken(next, "another frame is in its place"));
    }
    if previous != chain {
        return Err(Fault::broken(
            next,
            "it does not follow what comes before it",
        ));
    }
    Ok(())
}

/// The witness saw the chain at the end of one frame: there it must be the same.
pub(super) fn witnessed(
    (first, last): (Offset, Offset),
    chain: &ChainHash,
    stamp: Option<&Stamp>,
) -> Result<(), Fault> {
    match stamp {
        Some(stamp) if stamp.offset < first || stamp.offset > last => Ok(()),
        Some(stamp) if stamp.offset == last && stamp.chain == *chain => Ok(()),
        Some(_) => Err(Fault::broken(
            first,
            "the history up to here is not the one that was witnessed",
        )),
        None => Ok(()),
    }
}

/// A history that ends at `head` must reach what was witnessed.
pub(super) fn reaches(
    head: Offset,
    torn: Option<(Offset, &'static str)>,
    stamp: Option<&Stamp>,
) -> Result<(), OpenError> {
    let witnessed = stamp.map_or(0, |stamp| stamp.offset);
    if head >= witnessed {
        return Ok(());
    }
    let (first, what) = torn.unwrap_or((head + 1, "it and what follows are missing"));
    let detail = format!("{what}; offset {witnessed} was durable");
    Err(damaged(first, detail))
}

pub(super) enum Fault {
    /// The frame itself is bad. At the very end, above the witness, it may be cut.
    Torn(&'static str),
    Broken(OpenError),
}

impl Fault {
    pub(super) fn frame(error: FrameError) -> Self {
        match error {
            FrameError::Damaged(what) => Self::Torn(what),
            FrameError::Newer(found) => Self::Broken(newer(format!(
                "a frame has format {found}, this one reads up to {}",
                frame::FORMAT
            ))),
        }
    }

    pub(super) fn broken(offset: Offset, detail: &str) -> Self {
        Self::Broken(damaged(offset, detail))
    }

    pub(super) fn record(offset: Offset, error: DecodeError) -> Self {
        Self::Broken(match error {
            DecodeError::UnknownType { type_id, schema } => newer(format!(
                "event {offset} has type {type_id} in schema {schema}, which this one does not know"
            )),
            error => damaged(offset, error.to_string()),
        })
    }
}

pub(super) fn damaged(offset: Offset, detail: impl Into<String>) -> OpenError {
    OpenError::Damaged {
        offset,
        detail: detail.into(),
        remedy: RESTORE.to_owned(),
    }
}

/// `dir` is filled in where it is known.
fn newer(what: String) -> OpenError {
    OpenError::Newer {
        dir: String::new(),
        what,
    }
}
