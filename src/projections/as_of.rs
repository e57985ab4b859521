//! What was served at an earlier moment: a gathering, its people and their arrivals as of an offset, from the
//! nearest snapshot and a fold of what follows, by the same `apply` as ever.
//!
//! Who has been erased since is shown erased of name then, too: nobody can read it any more. A few moments
//! stay in memory, so that somebody who pages through one, or walks along an evening, does not fold it anew.

use std::{
    collections::BTreeMap,
    fmt,
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{
    ViewError,
    gathering::{Gathering, apply},
    list::{ParticipantsPage, ParticipantsQuery, participants_page_of},
    live::{Inner, blocking},
    overview,
    participants::{Participant, Participants},
    person::PersonCell,
    rebuild::pages,
    views::Views,
};
use crate::events::{
    event::GatheringDetails,
    ids::{Code, GatheringId, Offset},
    snapshot::Scope,
    time::Timestamp,
};

/// Moments that are kept in memory …
const MOMENTS_MAX: usize = 4;
/// … as long as somebody asks for them.
const UNUSED_MAX: Duration = Duration::from_secs(120);
/// A moment of more participants than this is not kept.
const KEPT_PARTICIPANTS_MAX: usize = 200_000;

/// How a moment is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// Right after this event.
    Offset(Offset),
    /// After the last event that had been recorded then.
    Time(Timestamp),
}

impl FromStr for AsOf {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let as_of = if is_number {
            text.parse().ok().map(Self::Offset)
        } else {
            Timestamp::parse(text).ok().map(Self::Time)
        };
        as_of
            .ok_or_else(|| "must be an offset, or RFC 3339 such as 2026-05-01T18:00:00Z".to_owned())
    }
}

impl fmt::Display for AsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offset(offset) => offset.fmt(f),
            Self::Time(time) => time.fmt(f),
        }
    }
}

/// Admissions that count, by minute since 1970 and gate.
pub type ArrivalCounts = BTreeMap<(i64, Option<Arc<str>>), u32>;

/// A gathering's arrivals at a moment, with what it was called then.
#[derive(Debug, Clone)]
pub struct ArrivalsThen {
    pub details: GatheringDetails,
    pub counts: ArrivalCounts,
    /// Of the gathering's last event that is counted.
    pub offset: Offset,
}

/// The moments that are kept, the newest used last.
#[derive(Default)]
pub(super) struct Moments(Mutex<Vec<Moment>>);

struct Moment {
    gathering: GatheringId,
    /// What was asked for; the gathering's last event is at it or before it.
    offset: Offset,
    /// How many people had been erased when it was made: with more, it may show somebody who is gone.
    erased: usize,
    used: Instant,
    participants: Arc<Participants>,
}

impl Views {
    /// The offset that is meant.
    ///
    /// # Errors
    /// [`ViewError::Future`] when it has not come yet.
    pub async fn moment(&self, as_of: AsOf, now: Timestamp) -> Result<Offset, ViewError> {
        let log = self.log().clone();
        let head = log.head();
        match as_of {
            AsOf::Offset(offset) if offset > head => Err(ViewError::Future { head }),
            AsOf::Offset(offset) => Ok(offset),
            AsOf::Time(time) if time > now => Err(ViewError::Future { head }),
            AsOf::Time(time) => blocking(move || Ok(log.offset_at(time)?)).await,
        }
    }

    /// The gathering with its counts, without its team.
    ///
    /// # Errors
    /// When it did not exist yet, or the log cannot be read.
    pub async fn gathering_as_of(
        &self,
        id: GatheringId,
        offset: Offset,
    ) -> Result<overview::Gathering, ViewError> {
        let then = self.participants_at(id, offset).await?;
        let state = &then.state;
        let details = state.details.as_ref().ok_or(ViewError::UnknownGathering)?;
        Ok(overview::Gathering::new(
            id,
            details,
            state.occupancy,
            state.offset,
        ))
    }

    /// The gathering's service team, by user.
    ///
    /// # Errors
    /// When there is no such gathering, or the log cannot be read.
    pub async fn team_as_of(
        &self,
        id: GatheringId,
        offset: Offset,
    ) -> Result<Vec<overview::Member>, ViewError> {
        let then = self.participants_at(id, offset).await?;
        Ok(then.state.team.iter().map(overview::Member::from).collect())
    }

    /// A page of the gathering's participants; `next` is good for the same moment.
    ///
    /// # Errors
    /// As [`Self::gathering_as_of`], and when `after` is not one of ours.
    pub async fn participants_as_of(
        &self,
        id: GatheringId,
        query: ParticipantsQuery,
        offset: Offset,
    ) -> Result<ParticipantsPage, ViewError> {
        let then = self.participants_at(id, offset).await?;
        let log = self.log().clone();
        blocking(move || participants_page_of(&log, &then, &query)).await
    }

    /// None: nobody had registered with the code.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn participant_as_of(
        &self,
        code: &Code,
        offset: Offset,
    ) -> Result<Option<Arc<Participant>>, ViewError> {
        let Some(id) = self.log().gathering_of_code(code) else {
            return Ok(None);
        };
        let then = match self.participants_at(id, offset).await {
            Err(ViewError::UnknownGathering) => return Ok(None),
            then => then?,
        };
        let row = then.row_of_code(code);
        let keys = self.log().keys();
        Ok(row.map(|row| row.participant(id, &then.state.names, keys)))
    }

    /// The gathering's arrivals.
    ///
    /// # Errors
    /// As [`Self::gathering_as_of`].
    pub async fn arrivals_as_of(
        &self,
        id: GatheringId,
        offset: Offset,
    ) -> Result<ArrivalsThen, ViewError> {
        let then = self.participants_at(id, offset).await?;
        blocking(move || {
            let details = then.state.details.clone();
            Ok(ArrivalsThen {
                details: details.ok_or(ViewError::UnknownGathering)?,
                counts: then.arrivals(),
                offset: then.state.offset,
            })
        })
        .await
    }

    async fn participants_at(
        &self,
        id: GatheringId,
        offset: Offset,
    ) -> Result<Arc<Participants>, ViewError> {
        let inner = self.inner.clone();
        let erased = inner.log.erased_in(id).len();
        let then = match inner.moments.kept(id, offset, erased) {
            Some(then) => then,
            None => {
                let permit = inner.folding.clone().acquire_owned().await;
                blocking(move || {
                    let _permit = permit;
                    at(&inner, id, offset)
                })
                .await?
            }
        };
        match then.state.details {
            Some(_) => Ok(then),
            None => Err(ViewError::UnknownGathering),
        }
    }
}

/// The state at an offset: from the nearest moment that is kept, or the nearest snapshot.
fn at(inner: &Inner, id: GatheringId, offset: Offset) -> Result<Arc<Participants>, ViewError> {
    let log = &inner.log;
    let gone = log.erased_in(id);
    let erased = gone.len();
    if let Some(then) = inner.moments.kept(id, offset, erased) {
        return Ok(then);
    }
    let saved = Gathering::nearest_offset(log, id, offset);
    let mut participants = match inner.moments.below(id, offset, erased) {
        Some(then) if saved.is_none_or(|saved| saved <= then.state.offset) => {
            Participants::clone(&then)
        }
        Some(_) | None => Gathering::nearest(log, id, offset),
    };
    let end = offset.min(log.last_offset_of(id)).min(log.head());
    let after = participants.state.offset;
    if after < end {
        let mut failed = None;
        // Decoded ahead on a second thread: somebody waits for this.
        pages(log, Scope::Gathering(id), after, end, |page| {
            failed = (page.iter()).find_map(|recorded| apply(&mut participants, recorded).err());
            failed.is_none()
        })?;
        if let Some(parked) = failed {
            return Err(parked.error());
        }
    }
    // An erasure is in the log before its key is gone, and what is kept here outlives the key.
    let nobody = Arc::new(PersonCell::erased());
    for participant in gone {
        participants.share_person(participant, &nobody);
    }
    let participants = Arc::new(participants);
    inner.moments.keep(Moment {
        gathering: id,
        offset,
        erased,
        used: Instant::now(),
        participants: participants.clone(),
    });
    Ok(participants)
}

impl Moments {
    fn kept(&self, id: GatheringId, offset: Offset, erased: usize) -> Option<Arc<Participants>> {
        let mut moments = self.0.lock();
        moments.retain(|moment| moment.gathering != id || moment.erased == erased);
        let is_it = |moment: &Moment| moment.gathering == id && moment.offset == offset;
        let place = moments.iter().position(is_it)?;
        let mut moment = moments.remove(place);
        moment.used = Instant::now();
        let participants = moment.participants.clone();
        moments.push(moment);
        Some(participants)
    }

    /// The latest one before an offset.
    fn below(&self, id: GatheringId, offset: Offset, erased: usize) -> Option<Arc<Participants>> {
        let moments = self.0.lock();
        (moments.iter())
            .filter(|moment| moment.gathering == id && moment.erased == erased)
            .filter(|moment| moment.offset <= offset)
            .max_by_key(|moment| moment.offset)
            .map(|moment| moment.participants.clone())
    }

    fn keep(&self, moment: Moment) {
        if moment.participants.state.rows.len() > KEPT_PARTICIPANTS_MAX {
            return;
        }
        let mut moments = self.0.lock();
        moments.push(moment);
        if moments.len() > MOMENTS_MAX {
            moments.remove(0);
        }
    }

    /// Drops what nobody has asked for in a while.
    pub(super) fn tidy(&self) {
        (self.0.lock()).retain(|moment| moment.used.elapsed() < UNUSED_MAX);
    }
}
