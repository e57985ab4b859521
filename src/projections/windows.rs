//! What lies below a tail, made once for all who read there. A window is a run of entries; where one
//! ends the next begins, so readers who come from anywhere soon walk through the same ones, however
//! many they are.
//!
//! Beside the windows a few folds are kept, each where its last window ended. Not here: how entries
//! are made (`reader`, `board`).

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;

use crate::events::ids::Offset;

/// Most entries in a window.
pub(super) const WINDOW_ENTRIES_MAX: usize = 512;
/// What the kept windows of one topic may weigh, bytes.
const WINDOWS_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most folds that are kept for one topic.
const FOLDS_MAX: usize = 4;
/// A kept fold this far behind is brought up without asking the disk for a nearer one, in offsets.
const FOLD_NEAR_OFFSETS: Offset = 65_536;

/// All entries of a topic after one offset, up to and including another.
pub(super) struct Window<E> {
    after: Offset,
    pub(super) covers: Offset,
    pub(super) entries: Vec<(Offset, Arc<E>)>,
    /// How many people had been erased when it was made.
    erased: u64,
}

pub(super) struct Windows<E, F> {
    /// Whoever makes a window holds it; the others wait, and find what was made.
    gate: Arc<tokio::sync::Mutex<()>>,
    shelf: Mutex<Shelf<E, F>>,
}

struct Shelf<E, F> {
    /// The least recently used first, with their weight in bytes.
    windows: VecDeque<(usize, Arc<Window<E>>)>,
    bytes: usize,
    /// The fold at an offset, the oldest first.
    folds: VecDeque<(Offset, F)>,
    used: bool,
    /// Moves when all of it is of a generation that is gone.
    generation: u64,
}

impl<E> Window<E> {
    pub(super) const fn new(
        (after, covers): (Offset, Offset),
        entries: Vec<(Offset, Arc<E>)>,
        erased: u64,
    ) -> Self {
        Self {
            after,
            covers,
            entries,
            erased,
        }
    }

    /// At most `limit` entries after the cursor, and the offset up to which there are no others.
    pub(super) fn after(&self, cursor: Offset, limit: usize) -> (Vec<Arc<E>>, Offset) {
        let start = self
            .entries
            .partition_point(|(offset, _)| *offset <= cursor);
        let rest = self.entries.get(start..).unwrap_or_default();
        let page: Vec<_> = rest.iter().take(limit).cloned().collect();
        let covers = match page.last() {
            Some((last, _)) if page.len() < rest.len() => *last,
            _ => self.covers,
        };
        (page.into_iter().map(|(_, entry)| entry).collect(), covers)
    }
}

impl<E, F> Windows<E, F> {
    /// Waits for the right to make a window.
    pub(super) async fn turn(&self) -> tokio::sync::OwnedMutexGuard<()> {
        self.gate.clone().lock_owned().await
    }

    /// The same, if nobody else has it.
    pub(super) fn turn_now(&self) -> Option<tokio::sync::OwnedMutexGuard<()>> {
        self.gate.clone().try_lock_owned().ok()
    }

    /// The window that holds what comes after the cursor. `erased`: how many people are erased now; what
    /// was made before somebody was is not shown any more.
    pub(super) fn find(&self, cursor: Offset, erased: u64) -> Option<Arc<Window<E>>> {
        let mut shelf = self.shelf.lock();
        shelf.used = true;
        shelf.forget_before(erased);
        let place = shelf
            .windows
            .iter()
            .rposition(|(_, window)| window.after <= cursor && cursor < window.covers)?;
        let found = shelf.windows.remove(place)?;
        let window = Arc::clone(&found.1);
        shelf.windows.push_back(found);
        Some(window)
    }

    /// Where a window that begins after the cursor must end, lest it repeats the next one.
    pub(super) fn end(&self, cursor: Offset) -> Option<Offset> {
        let shelf = self.shelf.lock();
        let afters = shelf.windows.iter().map(|(_, window)| window.after);
        afters.filter(|after| *after > cursor).min()
    }

    /// The kept fold that is nearest to the cursor and not past it; it is the caller's from now on.
    pub(super) fn take_fold(&self, cursor: Offset) -> Option<F> {
        let mut shelf = self.shelf.lock();
        let near = |offset: Offset| offset <= cursor && cursor - offset <= FOLD_NEAR_OFFSETS;
        let (place, _) = (shelf.folds.iter().enumerate())
            .filter(|(_, (offset, _))| near(*offset))
            .max_by_key(|(_, (offset, _))| *offset)?;
        shelf.folds.remove(place).map(|(_, fold)| fold)
    }

    /// To be read before anything of a window is made, and given back with it.
    pub(super) fn generation(&self) -> u64 {
        self.shelf.lock().generation
    }

    /// Keeps a window and the fold at its end, unless they were begun in a generation that is gone.
    /// `weight_bytes`: what its entries weigh.
    pub(super) fn shelve(&self, begun: u64, window: &Arc<Window<E>>, weight_bytes: usize, fold: F) {
        let mut shelf = self.shelf.lock();
        if shelf.generation != begun {
            return;
        }
        shelf.used = true;
        shelf.bytes += weight_bytes;
        shelf.windows.push_back((weight_bytes, Arc::clone(window)));
        while shelf.bytes > WINDOWS_BYTES_MAX {
            let Some((weight, _)) = shelf.windows.pop_front() else {
                break;
            };
            shelf.bytes -= weight;
        }
        if shelf.folds.len() == FOLDS_MAX {
            shelf.folds.pop_front();
        }
        shelf.folds.push_back((window.covers, fold));
    }

    /// Lets go of everything when nobody has read here since the last call.
    pub(super) fn tidy(&self) {
        let mut shelf = self.shelf.lock();
        if !std::mem::take(&mut shelf.used) {
            *shelf = Shelf::of(shelf.generation);
        }
    }

    /// Another generation serves: nothing made before is kept any more, nor what is being made now.
    pub(super) fn clear(&self) {
        let mut shelf = self.shelf.lock();
        *shelf = Shelf::of(shelf.generation + 1);
    }
}

impl<E, F> Shelf<E, F> {
    fn of(generation: u64) -> Self {
        Self {
            generation,
            ..Self::default()
        }
    }

    fn forget_before(&mut self, erased: u64) {
        if self
            .windows
            .iter()
            .all(|(_, window)| window.erased == erased)
        {
            return;
        }
        self.windows.retain(|(_, window)| window.erased == erased);
        self.bytes = self.windows.iter().map(|(weight, _)| weight).sum();
    }
}

impl<E, F> Default for Windows<E, F> {
    fn default() -> Self {
        Self {
            gate: Arc::default(),
            shelf: Mutex::default(),
        }
    }
}

impl<E, F> Default for Shelf<E, F> {
    fn default() -> Self {
        Self {
            windows: VecDeque::new(),
            bytes: 0,
            folds: VecDeque::new(),
            used: false,
            generation: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(after: Offset, covers: Offset, erased: u64) -> Arc<Window<Offset>> {
        let entries = (after + 1..=covers).map(|offset| (offset, Arc::new(offset)));
        Arc::new(Window::new((after, covers), entries.collect(), erased))
    }

    #[test]
    fn a_window_is_found_by_any_cursor_in_it() {
        let windows: Windows<Offset, ()> = Windows::default();
        windows.shelve(0, &window(10, 20, 0), 1, ());
        assert!(windows.find(9, 0).is_none() && windows.find(20, 0).is_none());
        let found = windows.find(14, 0).unwrap();
        let (entries, covers) = found.after(14, 2);
        assert_eq!((*entries[0], *entries[1], covers), (15, 16, 16));
        let (entries, covers) = found.after(14, 100);
        assert_eq!((entries.len(), covers), (6, 20));
        assert_eq!(windows.end(3), Some(10), "the next one begins there");
        assert_eq!(windows.end(10), None);
    }

    #[test]
    fn nothing_made_before_an_erasure_is_found_after_it() {
        let windows: Windows<Offset, ()> = Windows::default();
        windows.shelve(0, &window(10, 20, 0), 1, ());
        assert!(windows.find(14, 1).is_none());
        windows.shelve(0, &window(10, 20, 1), 1, ());
        assert!(windows.find(14, 1).is_some());
    }

    #[test]
    fn what_was_begun_in_another_generation_is_not_kept() {
        let windows: Windows<Offset, &str> = Windows::default();
        let begun = windows.generation();
        windows.shelve(begun, &window(0, 10, 0), 1, "kept");
        windows.clear();
        assert!(windows.find(3, 0).is_none() && windows.take_fold(10).is_none());
        windows.shelve(begun, &window(0, 10, 0), 1, "late");
        assert!(windows.find(3, 0).is_none() && windows.take_fold(10).is_none());
        windows.tidy();
        windows.tidy();
        let begun = windows.generation();
        windows.shelve(begun, &window(0, 10, 0), 1, "new");
        assert!(windows.find(3, 0).is_some() && windows.take_fold(10).is_some());
    }

    #[test]
    fn the_nearest_fold_is_taken_and_old_windows_make_room() {
        let windows: Windows<Offset, &str> = Windows::default();
        windows.shelve(0, &window(0, 10, 0), WINDOWS_BYTES_MAX, "ten");
        windows.shelve(0, &window(10, 20, 0), WINDOWS_BYTES_MAX, "twenty");
        assert!(windows.find(3, 0).is_none() && windows.find(13, 0).is_some());
        assert_eq!(windows.take_fold(15), Some("ten"));
        assert_eq!(windows.take_fold(15), None);
        assert_eq!(windows.take_fold(20 + FOLD_NEAR_OFFSETS + 1), None);
        assert_eq!(windows.take_fold(20), Some("twenty"));
        windows.tidy();
        assert!(windows.find(13, 0).is_some());
        windows.tidy();
        windows.tidy();
        assert!(windows.find(13, 0).is_none());
    }
}
