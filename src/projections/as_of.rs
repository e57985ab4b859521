//! What was served at an earlier moment: a gathering, its people and their arrivals as of an offset, from the
//! nearest snapshot and a fold of what follows, by the same `apply` as ever.
//!
//! Who has been erased since is shown erased of name then, too: nobody can read it any more. A few moments
//! stay in memory, so that somebody who pages through one, or walks along an evening, does not fold it anew.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

use super::{
    ViewError,
    gathering::Gathering,
    list::{ParticipantsPage, ParticipantsQuery, participants_page_of},
    live::blocking,
    overview,
    participants::{Participant, Participants},
    views::Views,
};
use crate::events::{
    ids::{Code, GatheringId, Offset},
    log::Log,
    time::Timestamp,
};

/// Moments of one loaded gathering that are kept in memory.
const MOMENTS_MAX: usize = 3;
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

/// Admissions that count, by minute since 1970 and gate.
pub type ArrivalCounts = BTreeMap<(i64, Option<Arc<str>>), u32>;

/// The moments of a gathering that are kept, the newest used last.
#[derive(Default)]
pub(super) struct Moments(Mutex<Vec<Moment>>);

#[derive(Clone)]
struct Moment {
    /// What was asked for; the gathering's last event is at it or before it.
    offset: Offset,
    /// As in [`super::gathering::Live::erased`]: with another count, it may show somebody who is gone.
    erased: u64,
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

    /// The gathering's arrivals, and its last event's offset.
    ///
    /// # Errors
    /// As [`Self::gathering_as_of`].
    pub async fn arrivals_as_of(
        &self,
        id: GatheringId,
        offset: Offset,
    ) -> Result<(ArrivalCounts, Offset), ViewError> {
        let then = self.participants_at(id, offset).await?;
        blocking(move || Ok((then.arrivals(), then.state.offset))).await
    }

    async fn participants_at(
        &self,
        id: GatheringId,
        offset: Offset,
    ) -> Result<Arc<Participants>, ViewError> {
        // Brought up to the head, so that whoever is erased by now is known to be.
        let gathering = self.inner.current(id).await?;
        let then = match gathering.moments.kept(offset, gathering.erased()) {
            Some(then) => then,
            None => {
                let log = self.log().clone();
                let permit = self.inner.folding.clone().acquire_owned().await;
                blocking(move || {
                    let _permit = permit;
                    gathering.at(&log, offset)
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

impl Gathering {
    fn erased(&self) -> u64 {
        self.live.read().erased
    }

    /// The state at an offset: from the nearest moment that is kept, or the nearest snapshot.
    fn at(&self, log: &Log, offset: Offset) -> Result<Arc<Participants>, ViewError> {
        // Read before the keys are: what is unsealed after an erasure shows nobody.
        let erased = self.erased();
        if let Some(then) = self.moments.kept(offset, erased) {
            return Ok(then);
        }
        let saved = Self::nearest_offset(log, self.id, offset);
        let mut participants = match self.moments.below(offset, erased) {
            Some(then) if saved.is_none_or(|saved| saved <= then.state.offset) => {
                Participants::clone(&then)
            }
            Some(_) | None => Self::nearest(log, self.id, offset),
        };
        Self::fold(log, &mut participants, offset, |_| true)?;
        let participants = Arc::new(participants);
        self.moments.keep(Moment {
            offset,
            erased,
            participants: participants.clone(),
        });
        Ok(participants)
    }
}

impl Moments {
    fn kept(&self, offset: Offset, erased: u64) -> Option<Arc<Participants>> {
        let mut moments = self.0.lock();
        moments.retain(|moment| moment.erased == erased);
        let place = moments.iter().position(|moment| moment.offset == offset)?;
        let moment = moments.remove(place);
        let participants = moment.participants.clone();
        moments.push(moment);
        Some(participants)
    }

    /// The latest one before an offset.
    fn below(&self, offset: Offset, erased: u64) -> Option<Arc<Participants>> {
        let moments = self.0.lock();
        (moments.iter())
            .filter(|moment| moment.erased == erased && moment.offset <= offset)
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
}
