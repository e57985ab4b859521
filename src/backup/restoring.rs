//! Making a data directory of a backup. Every file is held against the manifest and every frame against the
//! chain before the directory may be opened; who was erased since is erased in it.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{
    BackupError,
    manifest::{Erased, Manifest, Segment, read_manifest, sha256},
};
use crate::events::{
    event::{ActorRole, Event, Subject},
    ids::{CorrelationId, Epoch, GatheringId, Offset, ParticipantId},
    keys::{
        CHECKPOINT_KEY, KeyError, MASTER, SubjectId, VERIFIER_KEYS, beside_keys, without_subjects,
    },
    log::{
        AppendError, Log, OpenError,
        copy::{self, Copying},
        raw::{Chain, split_frame},
    },
    recorded::{Actor, NewEvent, Recorded},
    time::Timestamp,
};

/// Who erases when a backup is restored.
const OPERATOR: &str = "operator";
/// Erasures that wait for the disk together: the log's queue has room for them.
const ERASURES_AT_ONCE: usize = 2_048;

/// What a restore is told beside the backup.
#[derive(Debug, Default)]
pub struct Wishes {
    /// The master key, when it is kept apart from the backup.
    pub master_key: Option<PathBuf>,
    /// Who was erased after the backup was taken.
    pub erased: Vec<Erased>,
}

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    pub epoch: Epoch,
    /// Where the log now ends, the erasures that were added included.
    pub head: Offset,
    pub taken_at: Option<String>,
    /// Offset at which the backup was taken.
    pub backup_head: Offset,
    /// Whose key the backup's own list or the given ones took away, and who is in this log.
    pub erased: usize,
    /// `participant_erased` events that had to be added.
    pub erasures_added: usize,
    /// A key has signed for this log and was left out of the backup: none is signed until it is given.
    pub checkpoint_key_missing: bool,
}

/// Who was erased, according to a newer backup, a data directory that no server holds, or a list as
/// `GET /api/admin/backup/erased` gives it.
///
/// # Errors
/// When it is none of these or cannot be read.
pub fn erasures_of(path: &Path) -> Result<Vec<Erased>, BackupError> {
    if path.join("log").is_dir() {
        let (log, _) = Log::open(path)?;
        let erased = list_of(&log);
        log.close()
            .map_err(|error| OpenError::Store(error.to_string()))?;
        return Ok(erased);
    }
    let as_manifest = if path.is_dir() {
        Some(path)
    } else {
        path.parent()
            .filter(|_| path.file_name().is_some_and(|name| name == "manifest.json"))
    };
    if let Some(dir) = as_manifest {
        let manifest = read_manifest(dir)?.ok_or_else(|| BackupError::Unfinished {
            dir: dir.display().to_string(),
            detail: "there is no manifest.json",
        })?;
        return Ok(manifest.erased);
    }
    #[derive(serde::Deserialize)]
    struct List {
        erased: Vec<Erased>,
    }
    let bytes = fs::read(path).map_err(|error| BackupError::io(path, error))?;
    let list: List = serde_json::from_slice(&bytes)
        .map_err(|_| BackupError::damaged(path, "it is no list of who was erased"))?;
    Ok(list.erased)
}

/// Everybody whom a log knows to be erased.
#[must_use]
pub fn list_of(log: &Log) -> Vec<Erased> {
    let erased = log.erased().into_iter();
    erased
        .map(|(gathering, participant)| Erased {
            gathering,
            participant,
        })
        .collect()
}

/// Restores into an empty or missing directory. `progress` is told the offset it has come to, and the last.
///
/// # Errors
/// See [`BackupError`]; the directory then stays marked, so that nothing serves it.
pub fn restore(
    source: &Path,
    data: &Path,
    wishes: &Wishes,
    progress: &mut dyn FnMut(Offset, Offset),
) -> Result<Restored, BackupError> {
    let manifest = finished(source)?;
    let keys = keys_of(source, &manifest, wishes)?;
    let erased: HashSet<Erased> = manifest
        .erased
        .iter()
        .chain(&wishes.erased)
        .copied()
        .collect();
    let gone: HashSet<SubjectId> = erased.iter().map(|it| it.participant.to_bytes()).collect();

    let has = |wanted| keys.iter().any(|(name, _)| name == wanted);
    let checkpoint_key_missing = has(VERIFIER_KEYS) && !has(CHECKPOINT_KEY);

    let mut copying = Copying::begin(data)?;
    place_keys(data, keys, &gone)?;
    let mut known: HashMap<ParticipantId, Subject> = HashMap::new();
    let mut chain = Chain::default();
    for segment in manifest
        .segments
        .iter()
        .filter(|it| it.first <= manifest.head)
    {
        segment_into(source, segment, &mut chain, &mut copying, &mut |event| {
            if let Event::ParticipantRegistered(registration) = &event.event {
                let subject = &registration.subject;
                if gone.contains(&subject.participant.to_bytes()) {
                    known.insert(subject.participant, subject.clone());
                }
            }
        })?;
        progress(chain.head(), manifest.head);
    }
    if chain.head() != manifest.head {
        return Err(BackupError::damaged(
            &source.join("manifest.json"),
            format!(
                "its segments end at offset {}, not at {}",
                chain.head(),
                manifest.head
            ),
        ));
    }
    let log = copying.open()?;
    let added = erase(&log, &erased, &known)?;
    check_keys(&log)?;
    log.verify(&mut |_| {})?;
    let restored = Restored {
        epoch: log.epoch(),
        head: log.head(),
        taken_at: manifest.taken_at,
        backup_head: manifest.head,
        erased: known.len(),
        erasures_added: added,
        checkpoint_key_missing,
    };
    // While the lock is held: as soon as it is let go, another may begin a copy where the mark is.
    copy::finish(data)?;
    log.close()
        .map_err(|error| OpenError::Store(error.to_string()))?;
    Ok(restored)
}

fn finished(source: &Path) -> Result<Manifest, BackupError> {
    let unfinished = |detail| BackupError::Unfinished {
        dir: source.display().to_string(),
        detail,
    };
    let manifest = read_manifest(source)?.ok_or_else(|| unfinished("there is no manifest.json"))?;
    if manifest.keys.is_none() {
        return Err(unfinished(
            "its first run has not ended; run `doorbook backup` again",
        ));
    }
    Ok(manifest)
}

type KeyFiles = Vec<(String, Zeroizing<Vec<u8>>)>;

fn keys_of(source: &Path, manifest: &Manifest, wishes: &Wishes) -> Result<KeyFiles, BackupError> {
    let mut files = Vec::new();
    if let Some(folder) = &manifest.keys {
        for entry in &folder.files {
            let path = source.join(&folder.folder).join(&entry.file);
            let bytes = fs::read(&path).map_err(|error| BackupError::io(&path, error))?;
            if bytes.len() as u64 != entry.bytes || sha256(&bytes) != entry.sha256 {
                return Err(BackupError::damaged(&path, "its SHA-256 is another"));
            }
            files.push((entry.file.clone(), Zeroizing::new(bytes)));
        }
    }
    if let Some(path) = &wishes.master_key {
        let bytes = fs::read(path).map_err(|error| BackupError::io(path, error))?;
        files.retain(|(name, _)| name != MASTER);
        files.push((MASTER.to_owned(), Zeroizing::new(bytes)));
    }
    if files.iter().any(|(name, _)| name == MASTER) {
        Ok(files)
    } else {
        Err(BackupError::NoMasterKey)
    }
}

fn place_keys(data: &Path, files: KeyFiles, gone: &HashSet<SubjectId>) -> Result<(), BackupError> {
    for (name, bytes) in files {
        let (path, bytes) = match beside_keys(&name) {
            Some(path) => (data.join(path), bytes),
            None if name == MASTER => (data.join("keys").join(name), bytes),
            None => {
                let kept = Zeroizing::new(without_subjects(&bytes, gone));
                (data.join("keys").join(name), kept)
            }
        };
        copy::place(&path, &bytes).map_err(|error| BackupError::io(&path, error))?;
    }
    Ok(())
}

fn segment_into(
    source: &Path,
    segment: &Segment,
    chain: &mut Chain,
    copying: &mut Copying,
    each: &mut dyn FnMut(&Recorded),
) -> Result<(), BackupError> {
    let path = source.join(&segment.file);
    let bytes = fs::read(&path).map_err(|error| BackupError::io(&path, error))?;
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let next = chain.head() + 1;
        let (frame, after) = split_frame(rest).ok_or_else(|| {
            BackupError::damaged(&path, format!("offset {next}: the frame is cut short"))
        })?;
        let events = chain
            .take(frame)
            .map_err(|broken| BackupError::damaged(&path, broken.to_string()))?;
        copying.frame(frame)?;
        events.iter().for_each(&mut *each);
        rest = after;
    }
    let as_written = bytes.len() as u64 == segment.bytes
        && sha256(&bytes) == segment.sha256
        && chain.head() == segment.last
        && chain.hash() == segment.chain;
    if as_written {
        Ok(())
    } else {
        let detail = format!(
            "it is not what the manifest says, from offset {} on",
            segment.first
        );
        Err(BackupError::damaged(&path, detail))
    }
}

/// Tells the log of erasures that came after it was copied; gives how many.
pub(super) fn erase(
    log: &Log,
    erased: &HashSet<Erased>,
    known: &HashMap<ParticipantId, Subject>,
) -> Result<usize, BackupError> {
    let told: HashSet<Erased> = list_of(log).into_iter().collect();
    let missing: Vec<(GatheringId, &Subject)> = (erased.difference(&told))
        .filter_map(|who| Some((who.gathering, known.get(&who.participant)?)))
        .collect();
    let unstored = |error: AppendError| OpenError::Store(error.to_string());
    for page in missing.chunks(ERASURES_AT_ONCE) {
        let mut last = None;
        for (gathering, subject) in page {
            last = Some(
                log.append(erasure(*gathering, subject))
                    .map_err(unstored)?
                    .1,
            );
        }
        if let Some(last) = last {
            last.wait_blocking().map_err(unstored)?;
        }
    }
    Ok(missing.len())
}

fn erasure(gathering: GatheringId, subject: &Subject) -> NewEvent {
    let now = Timestamp::now();
    NewEvent {
        gathering,
        decided_at: now,
        occurred_at: now,
        actor: Actor {
            id: OPERATOR.into(),
            role: ActorRole::Operator,
            name: None,
        },
        correlation: CorrelationId::generate(),
        causation: None,
        command: None,
        event: Event::ParticipantErased {
            subject: subject.clone(),
        },
    }
}

/// One key of each gathering is opened: a wrong master key opens none.
fn check_keys(log: &Log) -> Result<(), BackupError> {
    for gathering in log.gatherings() {
        let tried = log.keys().reveal(gathering, gathering.to_bytes());
        if let Err(KeyError::Damaged { gathering, .. }) = tried {
            return Err(BackupError::WrongMasterKey(gathering.to_string()));
        }
    }
    Ok(())
}
