//! [`FeedReader`]: a position in a gathering's feed. One loop for replay, live, slow and resumed
//! readers: in the tail it reads the tail; below it, it folds from the nearest snapshot and makes
//! the entries anew, by the same function from the same state. Both end at one offset that both
//! agree on, so nothing is lost or doubled where they meet.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::{
    feed::{FeedEntry, Page},
    gathering::{Gathering, Live, apply},
    live::{Inner, blocking},
    participants::{Participants, Status, User},
    views::ViewError,
};
use crate::events::{
    ids::Offset,
    log::{Log, PAGE_EVENTS_MAX, ReadError},
    recorded::Recorded,
};

/// Most readers that fold at once; the others wait their turn.
pub(super) const FOLDING_READERS_MAX: usize = 16;
/// Most readers below the tail that keep their fold between two pages; the others fold again.
pub(super) const KEPT_FOLDS_MAX: usize = 64;
/// When a fold ends near the tail, its last entries are put under the tail for those who come after.
const EXTENSION_ENTRIES_MAX: usize = 2_048;

/// Pages through a gathering's feed from a cursor.
pub struct FeedReader {
    inner: Arc<Inner>,
    gathering: Arc<Gathering>,
    cursor: Offset,
    replay: Option<Replay>,
}

/// A reader's own fold, at its cursor.
struct Replay {
    participants: Participants,
    _kept: OwnedSemaphorePermit,
}

impl FeedReader {
    pub(super) fn new(inner: Arc<Inner>, gathering: Arc<Gathering>, after: Offset) -> Self {
        Self {
            inner,
            gathering,
            cursor: after,
            replay: None,
        }
    }

    /// The next entries, at most `limit`, or that there are none. Dropping the future loses
    /// nothing: the cursor moves only when a page is handed over.
    ///
    /// # Errors
    /// When the log cannot be read, or the view cannot apply an event.
    pub async fn next(&mut self, limit: usize) -> Result<Page, ViewError> {
        let limit = limit.clamp(1, PAGE_EVENTS_MAX);
        self.gathering.touch();
        self.gathering.catch_up(&self.inner.log)?;
        let page = match self.gathering.tail_page(self.cursor, limit) {
            Some(page) => {
                self.replay = None;
                page
            }
            None => self.replay(limit).await?,
        };
        self.cursor = match &page {
            Page::Entries { covers, .. } => *covers,
            Page::AtHead { head } => self.cursor.max(*head),
        };
        Ok(page)
    }

    /// Everything up to here has been handed over.
    #[must_use]
    pub const fn cursor(&self) -> Offset {
        self.cursor
    }

    async fn replay(&mut self, limit: usize) -> Result<Page, ViewError> {
        let turn = self.inner.folding.clone().acquire_owned().await;
        // While it waited, somebody may have put what it needs under the tail.
        if let Some(page) = self.gathering.tail_page(self.cursor, limit) {
            return Ok(page);
        }
        let inner = self.inner.clone();
        let gathering = self.gathering.clone();
        let cursor = self.cursor;
        let kept = self.replay.take();
        let (page, replay) = blocking(move || {
            let _turn = turn;
            replay_page(&inner, &gathering, cursor, limit, kept)
        })
        .await?;
        self.replay = replay;
        Ok(page)
    }
}

impl Gathering {
    /// What is after the cursor, when the tail holds it.
    fn tail_page(&self, cursor: Offset, limit: usize) -> Option<Page> {
        let live = self.live.read();
        if cursor >= live.covered {
            return Some(Page::AtHead { head: live.covered });
        }
        if !live.tail.reaches(cursor) {
            return None;
        }
        let entries = live.tail.after(cursor, limit);
        if entries.is_empty() {
            return Some(Page::AtHead { head: live.covered });
        }
        Some(Page::Entries {
            covers: covers(&entries, limit, live.covered),
            entries,
            from_tail: true,
        })
    }

    /// The entry of one event: from the tail, or from the state at its offset.
    pub(super) fn entry(&self, log: &Log, offset: Offset) -> Result<Arc<FeedEntry>, ViewError> {
        let before = offset.saturating_sub(1);
        let mut participants = Self::state_at(log, self.id, before)?;
        // Retries after a restart ask for what is a little below the tail, and many do.
        if self.live.read().tail.is_near(before) {
            self.extend_tail(log, participants.clone())?;
            if let Some(entry) = self.live.read().tail.get(offset) {
                return Ok(entry);
            }
        }
        let mut page = log.read_gathering(self.id, offset.saturating_sub(1), offset, 1)?;
        let Some(recorded) = page.pop() else {
            let detail = format!("offset {offset} is no event of gathering {}", self.id);
            return Err(ViewError::Log(ReadError::Store(detail)));
        };
        self.replayed(log, &mut participants, &recorded)
    }

    /// Applies one event to a reader's own fold and makes its entry, with the person as now.
    fn replayed(
        &self,
        log: &Log,
        participants: &mut Participants,
        recorded: &Arc<Recorded>,
    ) -> Result<Arc<FeedEntry>, ViewError> {
        apply(participants, recorded).map_err(|parked| parked.error())?;
        if let Some(subject) = recorded.event.subject() {
            let live = self.live.read();
            if let Some(row) = live.participants.row_of(subject.participant) {
                participants.share_person(row.id, &row.person);
            }
        }
        Ok(Arc::new(FeedEntry::new(participants, recorded, log.keys())))
    }

    /// After a restart everybody resumes a little below the tail. The first who folds there puts
    /// the entries between under the tail, and the others read them from it.
    fn extend_tail(&self, log: &Log, mut participants: Participants) -> Result<(), ViewError> {
        let from = participants.state.offset;
        let floor = self.live.read().tail.floor();
        let mut older = Vec::new();
        let mut after = from;
        while after < floor && older.len() < EXTENSION_ENTRIES_MAX {
            let page = log.read_gathering(self.id, after, floor, PAGE_EVENTS_MAX)?;
            for recorded in &page {
                older.push(self.replayed(log, &mut participants, recorded)?);
                after = recorded.offset;
            }
            if page.is_empty() {
                after = floor;
            }
        }
        let mut live = self.live.write();
        let complete = after >= floor && live.tail.floor() == floor;
        if complete && !older.iter().any(|entry| live.has_erased(entry)) {
            live.tail.extend_down(from, older);
        }
        Ok(())
    }
}

impl Live {
    /// Whether the entry shows a person who has been erased since it was made.
    fn has_erased(&self, entry: &FeedEntry) -> bool {
        entry.participant.as_ref().is_some_and(|participant| {
            (self.participants.row_of(participant.id))
                .is_some_and(|row| row.status() == Status::Erased)
                && participant.user != User::default()
        })
    }
}

fn covers(entries: &[Arc<FeedEntry>], limit: usize, covered: Offset) -> Offset {
    match entries.last() {
        Some(last) if entries.len() >= limit => last.offset(),
        _ => covered,
    }
}

fn replay_page(
    inner: &Arc<Inner>,
    gathering: &Arc<Gathering>,
    cursor: Offset,
    limit: usize,
    kept: Option<Replay>,
) -> Result<(Page, Option<Replay>), ViewError> {
    let log = &inner.log;
    // Read before the log is: everything up to here is in both.
    let covered = gathering.live.read().covered;
    let (mut participants, permit) = match kept {
        Some(replay) => (replay.participants, Some(replay._kept)),
        None => {
            let participants = Gathering::state_at(log, gathering.id, cursor)?;
            if gathering.live.read().tail.is_near(cursor) {
                gathering.extend_tail(log, participants.clone())?;
                if let Some(page) = gathering.tail_page(cursor, limit) {
                    return Ok((page, None));
                }
            }
            (participants, None)
        }
    };
    let mut entries = Vec::new();
    for recorded in log.read_gathering(gathering.id, cursor, covered, limit)? {
        entries.push(gathering.replayed(log, &mut participants, &recorded)?);
    }
    let covers = covers(&entries, limit, covered);
    let permit = permit.or_else(|| inner.kept_folds.clone().try_acquire_owned().ok());
    let replay = permit.map(|_kept| Replay {
        participants,
        _kept,
    });
    if entries.is_empty() {
        return Ok((Page::AtHead { head: covered }, replay));
    }
    let page = Page::Entries {
        entries,
        covers,
        from_tail: false,
    };
    Ok((page, replay))
}
