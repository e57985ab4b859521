//! [`Views`]: the handle that doors use. Every method is safe to call from async code: what may
//! touch the disk (a cold gathering, a fold, a page of history) runs on the blocking pool.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;
use thiserror::Error;
use tokio::sync::watch;
use utoipa::ToSchema;

pub use super::list::{ParticipantFilter, ParticipantsPage, ParticipantsQuery};
pub use super::operations::ProjectionStatus;
pub use super::pages::{HistoryRow, HistoryRows};
pub use super::reader::FeedReader;
pub use super::rebuild::{
    RebuildOptions, RebuildProgress, RebuildReason, RebuildState, RowDifference, ViewProgress,
};
pub use super::start::GatheringSnapshot;
use super::{
    dashboard::{Row, Update},
    door_tokens,
    feed::FeedEntry,
    history::HistoryEntry,
    integrity::{ConsistencyProof, InclusionProof, KeySource, SignedCheckpoint, VerifierKey},
    list::participants_page,
    live::{Inner, blocking},
    pages,
    participants::Participant,
    start::shared_snapshot,
};
use crate::events::{
    ids::{Code, DoorTokenId, GatheringId, Offset},
    log::{Log, PAGE_EVENTS_MAX, ReadError},
    time::Timestamp,
};

#[derive(Debug, Error)]
pub enum ViewError {
    #[error("no such gathering")]
    UnknownGathering,
    /// `after` is not one that a page gave.
    #[error("after must be the next of an earlier page")]
    BadPosition,
    /// The view has not applied the offset that was asked for. A retry helps.
    #[error("the view is at offset {at}, behind {wanted}")]
    Behind { at: Offset, wanted: Offset },
    /// The moment that was asked for has not come.
    #[error("that moment has not come: the log is at offset {head}")]
    Future { head: Offset },
    #[error("{0}")]
    Log(#[from] ReadError),
    /// A rebuild of this view is under way, or none is.
    #[error("{0}")]
    Rebuild(String),
    #[error("offset {offset} is not in the log, which ends at {head}")]
    NotInLog { offset: Offset, head: Offset },
    /// No checkpoint can be signed, or nothing can be proven.
    #[error("nothing can be proven: {0}")]
    Integrity(String),
    #[error("no projection is called {0}; there are participants, dashboard, history, integrity")]
    UnknownProjection(String),
}

/// Cheap handle.
#[derive(Clone)]
pub struct Views {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug, Clone, Default)]
pub struct HistoryQuery {
    pub gathering: Option<GatheringId>,
    /// A participant's id or code.
    pub participant: Option<String>,
    pub actor: Option<String>,
    pub gate: Option<String>,
    pub kind: Option<String>,
    /// On `recorded_at`: since ≤ t < until.
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// Where the page before ended, in the page's order; 0 for the first page.
    pub after: Offset,
    pub limit: usize,
    pub order: Order,
}

/// In which order a page is; what is streamed is always in the log's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    #[default]
    Oldest,
    Newest,
}

pub struct HistoryPage {
    pub results: Vec<HistoryEntry>,
    pub next: Option<Offset>,
}

pub enum DashboardPage {
    Updates {
        updates: Vec<Arc<Update>>,
        covers: Offset,
        from_tail: bool,
    },
    AtHead {
        head: Offset,
    },
}

impl Views {
    /// Loads the dashboard up to the log's head and starts following it.
    ///
    /// # Errors
    /// When the log cannot be read, or a thread cannot be started.
    pub fn open(log: Log) -> Result<Self, ViewError> {
        Self::open_with(log, KeySource::default())
    }

    /// The same with a key for checkpoints that may come from elsewhere.
    ///
    /// # Errors
    /// See [`Self::open`].
    pub fn open_with(log: Log, key: KeySource) -> Result<Self, ViewError> {
        Ok(Self {
            inner: Inner::open(log, key)?,
        })
    }

    #[must_use]
    pub fn log(&self) -> &Log {
        &self.inner.log
    }

    /// The gathering's row, up to the log's head.
    #[must_use]
    pub fn row(&self, gathering: GatheringId) -> Option<Arc<Row>> {
        self.inner.catch_up_board();
        let live = self.inner.board.live.read();
        live.dashboard.row(gathering).cloned()
    }

    /// Whether this door token of the gathering has been revoked, up to the log's head.
    #[must_use]
    pub fn door_token_revoked(&self, gathering: GatheringId, jti: DoorTokenId) -> bool {
        self.row(gathering).is_some_and(|row| row.has_revoked(jti))
    }

    /// The door tokens that the gathering's row keeps, in the order in which they were minted.
    ///
    /// # Errors
    /// When there is no such gathering.
    pub async fn door_tokens(
        &self,
        gathering: GatheringId,
        after: Option<DoorTokenId>,
        limit: usize,
    ) -> Result<Vec<door_tokens::DoorToken>, ViewError> {
        let row = self.row(gathering).ok_or(ViewError::UnknownGathering)?;
        let inner = self.inner.clone();
        // A key that nobody has used yet is read from the disk.
        blocking(move || Ok(door_tokens::listed(&row, after, limit, inner.log.keys()))).await
    }

    /// How often a generation of a view has taken another's place. What was made of the views is as old as
    /// this number was before it was made, also where the offsets are equal.
    #[must_use]
    pub fn switches(&self) -> u64 {
        self.inner.switches()
    }

    /// All rows in the order in which the gatherings were created.
    #[must_use]
    pub fn rows(&self) -> Vec<Arc<Row>> {
        self.dashboard_snapshot().0
    }

    /// All rows and the offset they stand at.
    #[must_use]
    pub fn dashboard_snapshot(&self) -> (Vec<Arc<Row>>, Offset) {
        self.inner.catch_up_board();
        let live = self.inner.board.live.read();
        (live.dashboard.rows(), live.dashboard.state.offset)
    }

    /// Updates after the cursor for all gatherings (the reader filters).
    ///
    /// # Errors
    /// When the log cannot be read, or the view cannot apply an event.
    pub async fn dashboard_page(
        &self,
        after: Offset,
        limit: usize,
    ) -> Result<DashboardPage, ViewError> {
        let limit = limit.clamp(1, PAGE_EVENTS_MAX);
        let inner = self.inner.clone();
        inner.board.catch_up(&inner.log)?;
        if let Some(page) = inner.board.tail_page(after, limit) {
            return Ok(page);
        }
        if let Some(page) = inner.board.window_page(after, limit) {
            return Ok(page);
        }
        let turn = inner.board.windows.turn().await;
        // While it waited, somebody may have made what it needs.
        let made =
            (inner.board.tail_page(after, limit)).or_else(|| inner.board.window_page(after, limit));
        if let Some(page) = made {
            return Ok(page);
        }
        let permit = inner.folding.clone().acquire_owned().await;
        blocking(move || {
            // The turn goes with the work: it is over when the window is there, whoever still waits.
            let (_turn, _permit) = (turn, permit);
            inner.board.make_window(&inner.log, after, limit)
        })
        .await
    }

    /// Wakes when the dashboard has moved; the value is the offset applied.
    #[must_use]
    pub fn watch_dashboard(&self) -> watch::Receiver<Offset> {
        self.inner.board.moved.subscribe()
    }

    // --- one gathering

    /// Waits (at most `patience`) until everything up to `offset` is durable; every query brings
    /// its view up to the head by itself.
    ///
    /// # Errors
    /// [`ViewError::Behind`] when the time is over.
    pub async fn wait_for(&self, offset: Offset, patience: Duration) -> Result<(), ViewError> {
        let mut head = self.inner.log.watch_head();
        let reached = head.wait_for(|head| *head >= offset);
        let in_time = tokio::time::timeout(patience, reached).await;
        // What `wait_for` gives holds the head locked, so it goes before anything else asks for it.
        let reached = matches!(&in_time, Ok(Ok(_)));
        drop(in_time);
        if reached {
            return self.inner.board.catch_up(&self.inner.log);
        }
        Err(ViewError::Behind {
            at: self.inner.log.head(),
            wanted: offset,
        })
    }

    /// A page in the order of registration. `next` stays good while people register.
    ///
    /// # Errors
    /// When there is no such gathering, `after` is not one of ours, or the log cannot be read.
    pub async fn participants(
        &self,
        gathering: GatheringId,
        query: ParticipantsQuery,
    ) -> Result<ParticipantsPage, ViewError> {
        let gathering = self.inner.current(gathering).await?;
        let inner = self.inner.clone();
        blocking(move || participants_page(&inner.log, &gathering, &query)).await
    }

    /// # Errors
    /// When the log cannot be read.
    pub async fn participant(&self, code: &Code) -> Result<Option<Arc<Participant>>, ViewError> {
        let Some(gathering) = self.inner.log.gathering_of_code(code) else {
            return Ok(None);
        };
        let gathering = match self.inner.current(gathering).await {
            // The code is claimed and its registration not durable yet.
            Err(ViewError::UnknownGathering) => return Ok(None),
            gathering => gathering?,
        };
        let live = gathering.live.read();
        let state = &live.participants.state;
        let row = live.participants.row_of_code(code);
        Ok(row.map(|row| row.participant(state.gathering, &state.names, self.inner.log.keys())))
    }

    /// What a stream starts with, shared by all who ask between two events.
    ///
    /// # Errors
    /// When there is no such gathering, or the log cannot be read.
    pub async fn snapshot(
        &self,
        gathering: GatheringId,
        participants_max: usize,
    ) -> Result<Arc<GatheringSnapshot>, ViewError> {
        let gathering = self.inner.current(gathering).await?;
        if let Some(snapshot) = gathering.current_snapshot(participants_max, self.switches()) {
            return Ok(snapshot);
        }
        let inner = self.inner.clone();
        blocking(move || shared_snapshot(&inner, &gathering, participants_max)).await
    }

    /// The entry of one event: from the tail, else from the state at that offset.
    ///
    /// # Errors
    /// When the offset is not durable yet or is no event of the gathering.
    pub async fn entry(
        &self,
        gathering: GatheringId,
        offset: Offset,
    ) -> Result<Arc<FeedEntry>, ViewError> {
        let gathering = self.inner.current(gathering).await?;
        {
            let live = gathering.live.read();
            if let Some(entry) = live.tail.get(offset) {
                return Ok(entry);
            }
            if live.covered < offset {
                return Err(ViewError::Behind {
                    at: live.covered,
                    wanted: offset,
                });
            }
        }
        let log = self.inner.log.clone();
        blocking(move || gathering.entry(&log, offset)).await
    }

    /// A reader's own position in a gathering's feed; replay, live and slow are the same reader.
    ///
    /// # Errors
    /// When there is no such gathering, or the log cannot be read.
    pub async fn reader(
        &self,
        gathering: GatheringId,
        after: Offset,
    ) -> Result<FeedReader, ViewError> {
        let gathering = self.inner.current(gathering).await?;
        Ok(FeedReader::new(self.inner.clone(), gathering, after))
    }

    /// Wakes when the gathering's feed has moved (value: its last event applied).
    ///
    /// # Errors
    /// When there is no such gathering, or the log cannot be read.
    pub async fn watch_gathering(
        &self,
        gathering: GatheringId,
    ) -> Result<watch::Receiver<Offset>, ViewError> {
        Ok(self.inner.current(gathering).await?.moved.subscribe())
    }

    // --- history

    /// # Errors
    /// When there is no such gathering, or the log cannot be read.
    pub async fn history(&self, query: HistoryQuery) -> Result<HistoryPage, ViewError> {
        let inner = self.inner.clone();
        blocking(move || pages::page(&inner, &query)).await
    }

    /// Every event after an offset, over all gatherings.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn history_after(
        &self,
        after: Offset,
        limit: usize,
    ) -> Result<HistoryPage, ViewError> {
        let query = HistoryQuery {
            after,
            limit,
            ..HistoryQuery::default()
        };
        self.history(query).await
    }

    // --- proofs

    /// The signed head of the tree over the whole log, as it is now.
    ///
    /// # Errors
    /// When the log cannot be read, or is not the one that was signed before.
    pub async fn checkpoint(&self) -> Result<SignedCheckpoint, ViewError> {
        let inner = self.inner.clone();
        blocking(move || inner.integrity.checkpoint(&inner.log, None)).await
    }

    /// The same over the log's first `size` events.
    ///
    /// # Errors
    /// [`ViewError::NotInLog`] when there are not so many yet.
    pub async fn checkpoint_at(&self, size: Offset) -> Result<SignedCheckpoint, ViewError> {
        let inner = self.inner.clone();
        blocking(move || inner.integrity.checkpoint(&inner.log, Some(size))).await
    }

    /// That the event at `offset` is in the log, against the checkpoint at `size` (the head, when not
    /// given), with the event's record.
    ///
    /// # Errors
    /// [`ViewError::NotInLog`] when it is not there yet.
    pub async fn inclusion(
        &self,
        offset: Offset,
        size: Option<Offset>,
    ) -> Result<InclusionProof, ViewError> {
        let inner = self.inner.clone();
        blocking(move || inner.integrity.inclusion(&inner.log, offset, size)).await
    }

    /// That the log at `to` (the head, when not given) begins with the log at `from`.
    ///
    /// # Errors
    /// [`ViewError::NotInLog`] when it is not that long yet.
    pub async fn consistency(
        &self,
        from: Offset,
        to: Option<Offset>,
    ) -> Result<ConsistencyProof, ViewError> {
        let inner = self.inner.clone();
        blocking(move || inner.integrity.consistency(&inner.log, from, to)).await
    }

    /// The key that checks what this log signs.
    ///
    /// # Errors
    /// When there is none to sign with.
    pub fn verifier_key(&self) -> Result<VerifierKey, ViewError> {
        self.inner.integrity.verifier()
    }

    /// Stops following and saves snapshots of everything loaded; called at stop.
    pub fn close(&self) {
        self.inner.close();
    }
}
