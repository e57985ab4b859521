//! What the tree over the log says: checkpoints, inclusion, consistency. Each answer has been checked
//! against the root at the head before it goes out, so damaged hashes cost a fold and never make a wrong
//! proof.

use std::io;

use super::{
    checkpoint::SignedCheckpoint,
    live::{Integrity, Tree, failed, sign, unkept},
    note::{NoteKey, VerifierKey},
    proof::{ConsistencyProof, InclusionProof, TreeHead},
    tree,
};
use crate::{
    events::{
        ids::Offset,
        log::{Log, leaf_hash},
    },
    projections::views::ViewError,
};

impl Integrity {
    pub(in crate::projections) fn verifier(&self) -> Result<VerifierKey, ViewError> {
        Ok(self.signer()?.verifier().clone())
    }

    /// Answers from the tree at the head. None from the question says that the kept hashes are not right:
    /// they are made anew, and it is asked once more.
    fn ask<T>(
        &self,
        log: &Log,
        question: impl Fn(&Tree) -> io::Result<Option<T>>,
    ) -> Result<T, ViewError> {
        for _ in 0..2 {
            let mut live = self.current(log)?;
            match question(&live.tree) {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                Err(error) => return Err(unkept(&error)),
            }
            tracing::error!("the tree over the log is made anew: its kept hashes are damaged");
            self.start_over(&mut live)?;
        }
        Err(failed("the tree over the log contradicts itself"))
    }

    /// The signed head of the tree over the first `size` events; over all of them when none is given.
    pub(in crate::projections) fn checkpoint(
        &self,
        log: &Log,
        size: Option<Offset>,
    ) -> Result<SignedCheckpoint, ViewError> {
        let key = self.signer()?;
        let size = size.unwrap_or_else(|| log.head());
        self.is_in(log, size)?;
        if let Some(newest) = &self.current(log)?.newest
            && newest.size == size
        {
            return Ok(newest.clone());
        }
        let root = self.ask(log, |tree| tree.root(size))?;
        let checkpoint = sign(key, size, root);
        let mut live = self.live.lock();
        if (live.newest.as_ref()).is_none_or(|newest| newest.size < size) {
            live.newest = Some(checkpoint.clone());
        }
        Ok(checkpoint)
    }

    /// That the event at `offset` is in the log, against the checkpoint of the given size.
    pub(in crate::projections) fn inclusion(
        &self,
        log: &Log,
        offset: Offset,
        size: Option<Offset>,
    ) -> Result<InclusionProof, ViewError> {
        let size = size.unwrap_or_else(|| log.head());
        self.is_in(log, size)?;
        let record = log.record(offset)?.filter(|_| offset <= size);
        let record = record.ok_or(ViewError::NotInLog {
            offset,
            head: log.head().min(size),
        })?;
        let (index, leaf) = (offset - 1, leaf_hash(&record));
        let hashes = self.ask(log, |tree| {
            let Some(root) = tree.root(size)? else {
                return Ok(None);
            };
            let hashes = tree.kept().inclusion(index, size)?;
            Ok(tree::includes(&root, size, index, &leaf, &hashes).then_some(hashes))
        })?;
        Ok(InclusionProof {
            offset,
            hashes,
            record: Some(record),
            checkpoint: self.checkpoint(log, Some(size))?.note,
        })
    }

    /// That the log at `to` (the head, when not given) begins with the log at `from`.
    pub(in crate::projections) fn consistency(
        &self,
        log: &Log,
        from: Offset,
        to: Option<Offset>,
    ) -> Result<ConsistencyProof, ViewError> {
        let to = to.unwrap_or_else(|| log.head());
        self.is_in(log, to.max(from))?;
        let (roots, hashes) = self.ask(log, |tree| {
            let (Some(old), Some(new)) = (tree.root(from)?, tree.root(to)?) else {
                return Ok(None);
            };
            let hashes = if from == 0 || from >= to {
                Vec::new()
            } else {
                tree.kept().consistency(from, to)?
            };
            let holds = tree::continues((from, &old), (to, &new), &hashes);
            Ok(holds.then_some(((old, new), hashes)))
        })?;
        Ok(ConsistencyProof {
            from: TreeHead::new(from, &roots.0),
            to: TreeHead::new(to, &roots.1),
            hashes: hashes.iter().map(super::proof::base64).collect(),
            checkpoint: self.checkpoint(log, Some(to))?.note,
        })
    }

    fn signer(&self) -> Result<&NoteKey, ViewError> {
        match &self.keyring.signer {
            Ok(key) => Ok(key),
            Err(reason) => Err(failed(reason)),
        }
    }

    fn is_in(&self, log: &Log, offset: Offset) -> Result<(), ViewError> {
        let head = log.head();
        if offset <= head {
            Ok(())
        } else {
            Err(ViewError::NotInLog { offset, head })
        }
    }
}
