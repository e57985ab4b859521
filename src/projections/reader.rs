//! [`FeedReader`]: a position in a gathering's feed. One loop for replay, live, slow and resumed
//! readers: in the tail it reads the tail; below it, it reads windows (`windows`) that are made by
//! folding from the nearest known state, by the same function from the same state. Both end at one
//! offset that both agree on, so nothing is lost or doubled where they meet.

use std::sync::Arc;

use super::{
    feed::{FeedEntry, Page},
    gathering::{Gathering, Live, apply},
    live::{Inner, blocking},
    participants::{Participants, Status, User},
    views::ViewError,
    windows::{WINDOW_ENTRIES_MAX, Window},
};
use crate::events::{
    ids::Offset,
    log::{Log, PAGE_EVENTS_MAX, ReadError},
    recorded::Recorded,
};

/// Most folds at once, over all gatherings; the others wait their turn.
pub(super) const FOLDING_READERS_MAX: usize = 16;
/// When a fold ends near the tail, its last entries are put under the tail for those who come after.
const EXTENSION_ENTRIES_MAX: usize = 2_048;

/// Pages through a gathering's feed from a cursor.
pub struct FeedReader {
    inner: Arc<Inner>,
    gathering: Arc<Gathering>,
    cursor: Offset,
    /// Where the last window ended below which the next one was asked for ahead of time.
    ahead: Offset,
}

impl FeedReader {
    pub(super) fn new(inner: Arc<Inner>, gathering: Arc<Gathering>, after: Offset) -> Self {
        Self {
            inner,
            gathering,
            cursor: after,
            ahead: 0,
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
            Some(page) => page,
            None => self.page_below(limit).await?,
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

    /// Everything up to the cursor has been handed over by somebody else.
    pub fn advance(&mut self, cursor: Offset) {
        self.cursor = self.cursor.max(cursor);
    }

    async fn page_below(&mut self, limit: usize) -> Result<Page, ViewError> {
        if let Some(window) = self.gathering.window(self.cursor) {
            self.make_ahead(&window);
            return Ok(window_page(&window, self.cursor, limit));
        }
        let gathering = &self.gathering;
        let turn = gathering.windows.turn().await;
        // While it waited, somebody may have made what it needs.
        if let Some(page) = gathering.tail_page(self.cursor, limit) {
            return Ok(page);
        }
        if let Some(window) = gathering.window(self.cursor) {
            return Ok(window_page(&window, self.cursor, limit));
        }
        let permit = self.inner.folding.clone().acquire_owned().await;
        let (inner, gathering) = (self.inner.clone(), self.gathering.clone());
        let cursor = self.cursor;
        let window = blocking(move || {
            // The turn goes with the work: it is over when the window is there, whoever still waits.
            let (_turn, _permit) = (turn, permit);
            gathering.make_window(&inner.log, cursor)
        })
        .await?;
        self.make_ahead(&window);
        Ok(window_page(&window, cursor, limit))
    }

    /// The next window is made while this one is sent, unless somebody is at it.
    fn make_ahead(&mut self, window: &Window<FeedEntry>) {
        let next = window.covers;
        if self.ahead == next {
            return;
        }
        self.ahead = next;
        let (inner, gathering) = (self.inner.clone(), self.gathering.clone());
        if gathering.live.read().tail.reaches(next) || gathering.window(next).is_some() {
            return;
        }
        let Some(turn) = gathering.windows.turn_now() else {
            return;
        };
        let Ok(permit) = inner.folding.clone().try_acquire_owned() else {
            return;
        };
        tokio::task::spawn_blocking(move || {
            let (_turn, _permit) = (turn, permit);
            // Who needs it finds out, by making it again.
            if let Err(error) = gathering.make_window(&inner.log, next) {
                tracing::debug!(%error, "what comes next could not be made ahead of time");
            }
        });
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

    fn window(&self, cursor: Offset) -> Option<Arc<Window<FeedEntry>>> {
        let erased = self.live.read().erased;
        self.windows.find(cursor, erased)
    }

    /// Makes what lies after the cursor, below the tail, and keeps it for the others.
    fn make_window(&self, log: &Log, cursor: Offset) -> Result<Arc<Window<FeedEntry>>, ViewError> {
        // Read before any state is.
        let begun = self.windows.generation();
        // Read before the log is: everything up to here is in both.
        let (covered, erased) = {
            let live = self.live.read();
            (live.covered, live.erased)
        };
        let mut participants = match self.windows.take_fold(cursor) {
            Some(fold) => fold,
            None => Self::nearest(log, self.id, cursor),
        };
        Self::fold(log, &mut participants, cursor, |_| true)?;
        let end = self.windows.end(cursor).unwrap_or(covered).min(covered);
        let page = log.read_gathering(self.id, cursor, end, WINDOW_ENTRIES_MAX)?;
        let mut entries = Vec::with_capacity(page.len());
        let mut weight_bytes = 0;
        for recorded in &page {
            let entry = self.replayed(log, &mut participants, recorded)?;
            weight_bytes += entry.weight_bytes();
            entries.push((recorded.offset, entry));
        }
        let covers = match entries.last() {
            Some((last, _)) if entries.len() == WINDOW_ENTRIES_MAX => *last,
            _ => end,
        };
        let window = Arc::new(Window::new((cursor, covers), entries, erased));
        self.windows
            .shelve(begun, &window, weight_bytes, participants);
        Ok(window)
    }

    /// The entry of one event: from the tail, or from the state at its offset.
    pub(super) fn entry(&self, log: &Log, offset: Offset) -> Result<Arc<FeedEntry>, ViewError> {
        let before = offset.saturating_sub(1);
        let erased = self.live.read().erased;
        let mut participants = Self::state_at(log, self.id, before)?;
        // Retries after a restart ask for what is a little below the tail, and many do.
        if self.live.read().tail.is_near(before) {
            self.extend_tail(log, participants.clone(), erased)?;
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
    /// the entries between under the tail, and the others read them from it. `erased`: of the live fold
    /// before this one was made; with another, it may be of another generation.
    fn extend_tail(
        &self,
        log: &Log,
        mut participants: Participants,
        erased: u64,
    ) -> Result<(), ViewError> {
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
        let complete = after >= floor && live.tail.floor() == floor && live.erased == erased;
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

fn window_page(window: &Window<FeedEntry>, cursor: Offset, limit: usize) -> Page {
    let (entries, covers) = window.after(cursor, limit);
    Page::Entries {
        entries,
        covers,
        from_tail: false,
    }
}
