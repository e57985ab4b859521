//! [`Integrity`]: the tree, following the log and answering. Whoever asks brings it up to the head; a
//! thread does so now and then, and saves. What is handed out has been checked against the root at the
//! head first, so damaged hashes cost a fold and never make a wrong proof; and a log that contradicts a
//! checkpoint that was signed for it gets no further signature.

use std::{
    collections::VecDeque,
    fs, io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::{Mutex, MutexGuard};

use super::{
    DIRECTORY, FOLD,
    checkpoint::{Checkpoint, SignedCheckpoint},
    hashes::{self, Found, Hashes, Reach},
    kept,
    keyring::{self, KeySource, Keyring},
    note::NoteKey,
    tree::{self, Edge, Hash, Kept},
};
use crate::{
    events::{
        ids::Offset,
        log::{Log, leaf_hash},
    },
    projections::views::ViewError,
};

/// Most leaves that are added while the tree is locked.
const PAGE_LEAVES: usize = 4_096;
/// What was added is saved, and a checkpoint kept, after this long …
const SAVE_EVERY: Duration = Duration::from_secs(30);
/// … or this many events.
const SAVE_EVENTS: u64 = 200_000;

pub(in crate::projections) struct Integrity {
    /// None for a log in memory.
    dir: Option<PathBuf>,
    pub(super) keyring: Keyring,
    pub(super) live: Mutex<Live>,
    covered: AtomicU64,
    /// Why the last attempt to follow the log failed, if it did.
    trouble: Mutex<Option<String>>,
}

pub(super) struct Live {
    pub(super) tree: Tree,
    saved: Offset,
    saved_at: Instant,
    /// Kept checkpoints that the tree has not come by yet, by size.
    due: VecDeque<Checkpoint>,
    /// The log is not the one that was signed. For good.
    contradiction: Option<Arc<str>>,
    /// The newest checkpoint, so that many who ask at one head cost one signature.
    pub(super) newest: Option<SignedCheckpoint>,
}

/// A tree over the log's first records, and its hashes.
pub(super) struct Tree {
    pub(super) hashes: Hashes,
    pub(super) edge: Edge,
}

impl Integrity {
    pub(in crate::projections) fn open(log: &Log, source: KeySource) -> Result<Self, ViewError> {
        match log.data_dir() {
            None => Ok(Self::over(
                None,
                Keyring::in_memory(source),
                Tree::empty(Hashes::Memory(Vec::new())),
            )),
            Some(data_dir) => {
                let dir = data_dir.join(DIRECTORY);
                Self::open_in(log, dir.clone(), source)
                    .map_err(|error| failed(&format!("cannot open {}: {error}", dir.display())))
            }
        }
    }

    fn open_in(log: &Log, dir: PathBuf, source: KeySource) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        let keyring = Keyring::open(&dir, source)?;
        let mut hashes = Hashes::open(&dir)?;
        let (tree, why_not) = match hashes::found(&dir, log.epoch())? {
            Found::Nothing => (None, None),
            Found::Damaged(what) => (None, Some(what)),
            Found::Reach(reach) => match hashes::edge(&hashes, reach) {
                Some(edge) if belongs(log, &hashes, reach) => (Some(edge), None),
                _ => (None, Some("the kept hashes are not those of the log")),
            },
        };
        if let Some(what) = why_not {
            tracing::warn!(what, "the tree over the log is made anew");
        }
        let tree = match tree {
            Some(edge) => Tree { hashes, edge },
            None => {
                hashes.clear()?;
                Tree::empty(hashes)
            }
        };
        let integrity = Self::over(Some(dir), keyring, tree);
        integrity.hold_to_what_was_signed(log.head());
        Ok(integrity)
    }

    fn over(dir: Option<PathBuf>, keyring: Keyring, tree: Tree) -> Self {
        if let Err(reason) = &keyring.signer {
            tracing::error!(%reason, "no checkpoint can be signed");
        }
        let size = tree.edge.size();
        Self {
            dir,
            keyring,
            covered: AtomicU64::new(size),
            trouble: Mutex::new(None),
            live: Mutex::new(Live {
                tree,
                saved: size,
                saved_at: Instant::now(),
                due: VecDeque::new(),
                contradiction: None,
                newest: None,
            }),
        }
    }

    /// At the start the newest kept checkpoint at or before the tree's size, and all after it.
    fn hold_to_what_was_signed(&self, head: Offset) {
        let mut live = self.live.lock();
        let size = live.tree.edge.size();
        let sizes = self.dir.as_deref().map(kept::sizes);
        let sizes = sizes.and_then(Result::ok).unwrap_or_default();
        let newest = sizes.iter().copied().filter(|kept| *kept <= size).max();
        live.due = self.signed(|kept| kept > size || Some(kept) == newest);
        let bad = live.come_by().is_err();
        if bad {
            // The hashes may be what is wrong: a fold from the first event tells.
            tracing::warn!("the tree over the log is made anew: it contradicts a checkpoint");
            if let Err(error) = self.start_over(&mut live) {
                *self.trouble.lock() = Some(error.to_string());
            }
        }
        live.hold_to_the_last(head);
    }

    fn signed(&self, wanted: impl Fn(Offset) -> bool) -> VecDeque<Checkpoint> {
        let Some(dir) = &self.dir else {
            return VecDeque::new();
        };
        let signed = keyring::verifiers(dir).and_then(|keys| kept::signed(dir, &keys, wanted));
        let mut signed = signed.unwrap_or_else(|error| {
            tracing::warn!(%error, "the kept checkpoints cannot be read");
            Vec::new()
        });
        signed.sort_by_key(|checkpoint| checkpoint.size);
        signed.into()
    }

    pub(super) fn start_over(&self, live: &mut Live) -> Result<(), ViewError> {
        live.tree.hashes.clear().map_err(|error| unkept(&error))?;
        live.tree.edge = Edge::default();
        live.saved = 0;
        live.newest = None;
        live.due = self.signed(|_| true);
        Ok(())
    }

    /// The tree, up to the log's head as it is now.
    pub(super) fn current(&self, log: &Log) -> Result<MutexGuard<'_, Live>, ViewError> {
        let head = log.head();
        let mut live = self.live.lock();
        let result = loop {
            if let Some(reason) = &live.contradiction {
                return Err(ViewError::Integrity(reason.to_string()));
            }
            if live.tree.edge.size() >= head {
                break Ok(());
            }
            if let Err(error) = live.tree.extend(log) {
                break Err(error);
            }
            if let Err(Contradiction(reason)) = live.come_by() {
                live.contradict(reason);
            }
            self.covered.store(live.tree.edge.size(), Ordering::Relaxed);
            MutexGuard::bump(&mut live);
        };
        *self.trouble.lock() = result.as_ref().err().map(ToString::to_string);
        result.map(|()| live)
    }

    /// Up to which offset the tree reaches, and why it goes no further or signs nothing, if so. Waits for
    /// nothing: the tree is brought up by its thread and by whoever needs it.
    pub(in crate::projections) fn standing(&self) -> (Offset, Option<String>) {
        let live = self.live.try_lock();
        let contradiction = live.and_then(|live| live.contradiction.clone());
        let trouble = contradiction
            .map(|reason| reason.to_string())
            .or_else(|| self.trouble.lock().clone())
            .or_else(|| self.keyring.signer.as_ref().err().cloned());
        (self.covered.load(Ordering::Relaxed), trouble)
    }

    /// Brings the tree up and saves it when that is due, or `anyway`. A failure is shown in
    /// [`Self::standing`] and costs a longer fold at the next start.
    pub(in crate::projections) fn follow(&self, log: &Log, anyway: bool) {
        let followed = self.current(log).and_then(|mut live| {
            let new = live.tree.edge.size() - live.saved;
            let many = new >= SAVE_EVENTS && live.saved > 0;
            let due = many || live.saved_at.elapsed() >= SAVE_EVERY;
            if new == 0 || !(due || anyway) {
                return Ok(());
            }
            live.saved_at = Instant::now();
            self.save(log, &mut live).map_err(|error| unkept(&error))
        });
        if let Err(error) = followed {
            let trouble = error.to_string();
            let before = self.trouble.lock().replace(trouble.clone());
            if before.as_deref() != Some(&trouble) {
                tracing::error!(view = FOLD.name, %error, "the tree over the log was not saved");
            }
        }
    }

    fn save(&self, log: &Log, live: &mut Live) -> io::Result<()> {
        let reach = live.tree.reach();
        live.tree.hashes.save(log.epoch(), reach)?;
        live.saved = reach.size;
        let (Some(dir), Ok(key)) = (&self.dir, &self.keyring.signer) else {
            return Ok(());
        };
        if kept::sizes(dir)?
            .last()
            .is_none_or(|last| *last < reach.size)
        {
            kept::add(dir, &sign(key, reach.size, reach.root))?;
        }
        Ok(())
    }

    /// Folds the tree anew beside the one in use, and switches at an equal size. `step` hears of every
    /// page; false stops, and the answer is false.
    pub(in crate::projections) fn rebuild(
        &self,
        log: &Log,
        mut step: impl FnMut(usize) -> bool,
    ) -> Result<bool, ViewError> {
        let beside = self.live.lock().tree.hashes.beside();
        let mut fresh = Tree::empty(beside.map_err(|error| unkept(&error))?);
        while fresh.edge.size() < log.head() {
            let before = fresh.edge.size();
            fresh.extend(log)?;
            if !step(usize::try_from(fresh.edge.size() - before).unwrap_or(usize::MAX)) {
                fresh.hashes.give_up().map_err(|error| unkept(&error))?;
                return Ok(false);
            }
        }
        let due = self.signed(|_| true);
        let mut live = self.live.lock();
        while fresh.edge.size() < live.tree.edge.size() {
            fresh.extend(log)?;
        }
        fresh.hashes.take_over().map_err(|error| unkept(&error))?;
        live.tree = fresh;
        live.due = due;
        live.contradiction = None;
        live.newest = None;
        if let Err(Contradiction(reason)) = live.come_by() {
            live.contradict(reason.clone());
            return Err(ViewError::Integrity(reason));
        }
        live.hold_to_the_last(log.head());
        if let Some(reason) = &live.contradiction {
            return Err(ViewError::Integrity(reason.to_string()));
        }
        // Saved like any other growth when its turn comes; by then most of it has gone to the disk anyway.
        live.saved = 0;
        live.saved_at = Instant::now();
        self.covered.store(live.tree.edge.size(), Ordering::Relaxed);
        Ok(true)
    }

    /// Folds the tree anew, keeps nothing of it, and says at which size it was compared with the one in use,
    /// and whether they are equal. None: `step` stopped it.
    pub(in crate::projections) fn compare(
        &self,
        log: &Log,
        mut step: impl FnMut(usize) -> bool,
    ) -> Result<Option<(Offset, bool)>, ViewError> {
        let size = self.current(log)?.tree.edge.size();
        let mut edge = Edge::default();
        while edge.size() < size {
            let missing = usize::try_from(size - edge.size()).unwrap_or(usize::MAX);
            let leaves = log.leaves(edge.size(), missing.min(PAGE_LEAVES))?;
            if leaves.is_empty() || !step(leaves.len()) {
                return Ok(None);
            }
            for leaf in leaves {
                edge.push(leaf, |_| ());
            }
        }
        let kept = self.live.lock().tree.root(size);
        let kept = kept.map_err(|error| unkept(&error))?;
        Ok(Some((size, kept == Some(edge.root()))))
    }
}

/// What the tree over the log says is not what was signed.
struct Contradiction(String);

impl Live {
    /// Holds the tree against the kept checkpoints that it now reaches.
    fn come_by(&mut self) -> Result<(), Contradiction> {
        while let Some(checkpoint) =
            (self.due.front()).filter(|it| it.size <= self.tree.edge.size())
        {
            let size = checkpoint.size;
            if self.tree.kept().root(size).ok() != Some(checkpoint.root) {
                return Err(Contradiction(format!(
                    "the log's first {size} events are not those that the checkpoint of size {size} was signed for: history was rewritten"
                )));
            }
            self.due.pop_front();
        }
        Ok(())
    }

    /// What was signed last must be in the log.
    fn hold_to_the_last(&mut self, head: Offset) {
        let last = self.due.back().map_or(0, |last| last.size);
        if last > head {
            self.contradict(format!(
                "the log ends at offset {head}, and the checkpoint of size {last} was signed for it: its end was cut"
            ));
        }
    }

    fn contradict(&mut self, reason: String) {
        tracing::error!(%reason, "no more checkpoints are signed; run `doorbook verify`");
        self.contradiction = Some(reason.into());
    }
}

impl Tree {
    fn empty(hashes: Hashes) -> Self {
        Self {
            hashes,
            edge: Edge::default(),
        }
    }

    fn reach(&self) -> Reach {
        Reach {
            size: self.edge.size(),
            root: self.edge.root(),
        }
    }

    /// Adds the leaves of the next page of the log.
    fn extend(&mut self, log: &Log) -> Result<(), ViewError> {
        let leaves = log.leaves(self.edge.size(), PAGE_LEAVES)?;
        let mut edge = self.edge.clone();
        let mut complete = Vec::with_capacity(leaves.len() * 2);
        for leaf in leaves {
            edge.push(leaf, |hash| complete.push(*hash));
        }
        self.hashes
            .write(self.edge.size(), &complete)
            .map_err(|error| unkept(&error))?;
        self.edge = edge;
        Ok(())
    }

    pub(super) fn kept(&self) -> Kept<impl Fn(u64) -> io::Result<Hash> + '_> {
        Kept(|index| self.hashes.read(index))
    }

    /// The root at a size, if the kept hashes agree with the root at the edge.
    pub(super) fn root(&self, size: Offset) -> io::Result<Option<Hash>> {
        let (head, root) = (self.edge.size(), self.edge.root());
        if size == head {
            return Ok(Some(root));
        }
        let kept = self.kept();
        let earlier = kept.root(size)?;
        if size == 0 {
            return Ok(Some(earlier));
        }
        let proof = kept.consistency(size, head)?;
        Ok(tree::continues((size, &earlier), (head, &root), &proof).then_some(earlier))
    }
}

/// Whether the newest kept leaf is the log's record there.
fn belongs(log: &Log, hashes: &Hashes, reach: Reach) -> bool {
    let Some(index) = reach.size.checked_sub(1) else {
        return true;
    };
    let leaf = hashes.read(tree::stored_index(0, index)).ok();
    let record = log.record(reach.size).ok().flatten();
    record.is_some_and(|record| Some(leaf_hash(&record)) == leaf)
}

pub(super) fn sign(key: &NoteKey, size: Offset, root: Hash) -> SignedCheckpoint {
    let origin = key.verifier().name().to_owned();
    Checkpoint { origin, size, root }.sign(key)
}

pub(super) fn unkept(error: &io::Error) -> ViewError {
    failed(&format!("the tree's files: {error}"))
}

pub(super) fn failed(reason: &str) -> ViewError {
    ViewError::Integrity(reason.to_owned())
}
