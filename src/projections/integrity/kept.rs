//! The checkpoints that the directory keeps of itself, oldest first, few enough to be read at once. They
//! hold the log to what it signed; an auditor's own copies hold whoever holds the directory.

use std::{fs, io, path::Path};

use super::{
    checkpoint::{Checkpoint, SignedCheckpoint},
    note::VerifierKey,
};
use crate::events::{ids::Offset, snapshot::write_aside};

pub(super) const KEPT_FILE: &str = "checkpoints";
/// Most that are kept; one more, and the older ones are thinned out.
pub(super) const KEPT_MAX: usize = 512;

/// The notes in the file, whatever they are worth.
pub(super) fn notes(dir: &Path) -> io::Result<Vec<String>> {
    let text = match fs::read_to_string(dir.join(KEPT_FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let parts: Vec<&str> = text.split("\n\n").collect();
    // A text, its signatures; the next text …; nothing behind the last.
    Ok((parts.chunks(2))
        .filter(|pair| *pair != [""])
        .map(|pair| format!("{}\n", pair.join("\n\n")))
        .collect())
}

/// Those of the wanted sizes that one of the keys signed. What is not signed is left to `doorbook verify`
/// to complain of.
pub(super) fn signed(
    dir: &Path,
    keys: &[VerifierKey],
    wanted: impl Fn(Offset) -> bool,
) -> io::Result<Vec<Checkpoint>> {
    let notes = notes(dir)?;
    let wanted = notes
        .iter()
        .filter(|note| Checkpoint::peek(note).is_some_and(|it| wanted(it.size)));
    let opened =
        wanted.filter_map(|note| (keys.iter()).find_map(|key| Checkpoint::open(note, key).ok()));
    Ok(opened.collect())
}

/// The sizes that are said in the file.
pub(super) fn sizes(dir: &Path) -> io::Result<Vec<Offset>> {
    let notes = notes(dir)?;
    Ok((notes.iter())
        .filter_map(|note| Some(Checkpoint::peek(note)?.size))
        .collect())
}

/// Adds a checkpoint that covers more than the last one did.
pub(super) fn add(dir: &Path, checkpoint: &SignedCheckpoint) -> io::Result<()> {
    let mut notes = notes(dir)?;
    notes.push(checkpoint.note.clone());
    let text: String = thinned(notes)
        .iter()
        .map(|note| format!("{note}\n"))
        .collect();
    write_aside(&dir.join(KEPT_FILE), text.as_bytes())
}

/// Of the older half every second one goes, never the first: dense near the head, sparse long ago.
fn thinned<T>(mut kept: Vec<T>) -> Vec<T> {
    if kept.len() <= KEPT_MAX {
        return kept;
    }
    let newer = kept.split_off(kept.len() / 2);
    let older = kept.into_iter().step_by(2);
    older.chain(newer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_are_added_few_are_kept_and_the_first_and_the_newest_among_them() {
        let mut kept = Vec::new();
        for size in 1..=20_000_u32 {
            kept.push(size);
            kept = thinned(kept);
            assert!(kept.len() <= KEPT_MAX);
            assert_eq!((kept[0], kept.last()), (1, Some(&size)));
        }
        assert!(kept.is_sorted());
        assert!(kept.len() > KEPT_MAX / 2);
    }
}
