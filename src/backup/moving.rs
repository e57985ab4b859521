//! A log as lines of JSON, to move it between versions: a header, a line for each event with all that the log
//! keeps of it and the keys it needs, in clear, and a trailer that tells a whole file from a cut one. Who was
//! erased has no key in it.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{self, BufRead as _, BufReader, Write},
    path::Path,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{BackupError, manifest::Erased, restoring, writing::KeyContent};
use crate::events::{
    event::{ActorRole, Event, Sealed},
    ids::{CommandId, CorrelationId, Epoch, EventId, GatheringId, Offset},
    keys::{Keys, SubjectId, without_subjects},
    log::{
        OpenError,
        copy::{self, Copying},
        raw::{Chain, split_frame},
    },
    recorded::{Actor, CommandRef, Recorded},
    time::Timestamp,
};

const FORMAT: &str = "doorbook-log";
const VERSION: u32 = 1;
/// Keys are synced after so many events.
const SYNC_EVENTS: u64 = 4_096;

#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
    epoch: Epoch,
    head: Offset,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    offset: Offset,
    event_id: EventId,
    gathering: GatheringId,
    recorded_at: Timestamp,
    occurred_at: Timestamp,
    actor: ActorLine,
    correlation: CorrelationId,
    causation: Option<EventId>,
    command: Option<CommandLine>,
    event: Event,
    /// Of the participant who registers here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// Of the gathering, with its first event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gathering_key: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct ActorLine {
    id: String,
    role: ActorRole,
    name: Option<Sealed>,
}

#[derive(Serialize, Deserialize)]
struct CommandLine {
    id: CommandId,
    content_hash: String,
}

#[derive(Serialize, Deserialize)]
struct Trailer {
    events: u64,
    /// Of all lines before this one.
    sha256: String,
    /// Who was erased after the last event.
    erased: Vec<Erased>,
}

/// An export under way.
pub struct Exporting<W> {
    out: W,
    sha256: Sha256,
    chain: Chain,
    keys: Keys,
    erased: Vec<Erased>,
    seen: HashSet<GatheringId>,
}

impl<W: Write> Exporting<W> {
    /// Writes the header. `keys` were read after the log had reached `head`, `erased` after the keys.
    ///
    /// # Errors
    /// [`BackupError::NoMasterKey`], or when nothing can be written.
    pub fn begin(
        out: W,
        (epoch, head): (Epoch, Offset),
        keys: &[KeyContent],
        erased: Vec<Erased>,
    ) -> Result<Self, BackupError> {
        let gone: HashSet<SubjectId> = erased.iter().map(|it| it.participant.to_bytes()).collect();
        let kept: Vec<(&str, Vec<u8>)> = keys
            .iter()
            .map(|key| match key.name.ends_with(".keys") {
                true => (key.name.as_str(), without_subjects(&key.bytes, &gone)),
                false => (key.name.as_str(), key.bytes.to_vec()),
            })
            .collect();
        let files = kept.iter().map(|(name, bytes)| (*name, bytes.as_slice()));
        let mut exporting = Self {
            out,
            sha256: Sha256::new(),
            chain: Chain::default(),
            keys: Keys::of_files(files).ok_or(BackupError::NoMasterKey)?,
            erased,
            seen: HashSet::new(),
        };
        exporting.line(&Header {
            format: FORMAT.to_owned(),
            version: VERSION,
            epoch,
            head,
        })?;
        Ok(exporting)
    }

    #[must_use]
    pub fn head(&self) -> Offset {
        self.chain.head()
    }

    /// Writes the events of the next frames, whole ones.
    ///
    /// # Errors
    /// When they do not follow, or nothing can be written.
    pub fn frames(&mut self, mut bytes: &[u8]) -> Result<(), BackupError> {
        while let Some((frame, rest)) = split_frame(bytes) {
            let events = self
                .chain
                .take(frame)
                .map_err(|broken| BackupError::Source(broken.to_string()))?;
            for event in events {
                self.event(event)?;
            }
            bytes = rest;
        }
        if bytes.is_empty() {
            Ok(())
        } else {
            Err(BackupError::Source("a frame is cut short".to_owned()))
        }
    }

    /// Writes the trailer; gives the output back.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn end(mut self) -> Result<W, BackupError> {
        let trailer = Trailer {
            events: self.chain.head(),
            sha256: hex::encode(self.sha256.clone().finalize()),
            erased: std::mem::take(&mut self.erased),
        };
        self.line(&trailer)?;
        self.out.flush().map_err(unwritten)?;
        Ok(self.out)
    }

    fn event(&mut self, event: Recorded) -> Result<(), BackupError> {
        let gathering = event.gathering;
        let gathering_key = if self.seen.insert(gathering) {
            self.key(gathering, gathering.to_bytes())?
        } else {
            None
        };
        let key = match &event.event {
            Event::ParticipantRegistered(registration) => {
                let subject = registration.subject.participant.to_bytes();
                self.key(gathering, subject)?
            }
            _ => None,
        };
        self.line(&Line {
            offset: event.offset,
            event_id: event.event_id,
            gathering,
            recorded_at: event.recorded_at,
            occurred_at: event.occurred_at,
            actor: ActorLine {
                id: event.actor.id.to_string(),
                role: event.actor.role,
                name: event.actor.name,
            },
            correlation: event.correlation,
            causation: event.causation,
            command: event.command.map(|command| CommandLine {
                id: command.id,
                content_hash: hex::encode(command.content_hash),
            }),
            event: event.event,
            key,
            gathering_key,
        })
    }

    fn key(&self, of: GatheringId, subject: SubjectId) -> Result<Option<String>, BackupError> {
        let key = self.keys.reveal(of, subject).map_err(OpenError::Keys)?;
        Ok(key.map(|key| STANDARD.encode(&key[..])))
    }

    fn line(&mut self, line: &impl Serialize) -> Result<(), BackupError> {
        let mut text = serde_json::to_vec(line).map_err(|error| unwritten(error.into()))?;
        text.push(b'\n');
        self.sha256.update(&text);
        self.out.write_all(&text).map_err(unwritten)
    }
}

/// Whether a file begins as an exported log does.
#[must_use]
pub fn is_log_export(start: &[u8]) -> bool {
    let line = start.split(|byte| *byte == b'\n').next();
    let header = line.map(serde_json::from_slice::<Header>);
    header.is_some_and(|header| header.is_ok_and(|header| header.format == FORMAT))
}

/// Makes a data directory, empty or missing before, of an exported log; gives its new head.
///
/// # Errors
/// See [`BackupError`]; the directory then stays marked, so that nothing serves it.
pub fn import_log(
    file: &Path,
    data: &Path,
    progress: &mut dyn FnMut(Offset, Offset),
) -> Result<Offset, BackupError> {
    let opened = File::open(file).map_err(|error| BackupError::io(file, error))?;
    let mut reader = BufReader::new(opened);
    let damaged = |detail: String| BackupError::damaged(file, detail);
    let mut text = Vec::new();
    let mut next = |text: &mut Vec<u8>| {
        text.clear();
        let read = reader.read_until(b'\n', text);
        read.map_err(|error| BackupError::io(file, error))
    };
    next(&mut text)?;
    if !is_log_export(&text) {
        return Err(damaged(
            "it is no exported log (`doorbook export --ndjson` makes one)".to_owned(),
        ));
    }
    let header: Header =
        serde_json::from_slice(&text).map_err(|_| damaged("line 1 is not a header".to_owned()))?;
    if header.version > VERSION {
        return Err(BackupError::Newer(file.display().to_string()));
    }
    let mut copying = Copying::begin(data)?;
    let keys = Keys::open(&data.join("keys")).map_err(OpenError::Keys)?;
    let (mut sha256, mut subjects, mut count) = (Sha256::new(), HashMap::new(), 0);
    let trailer: Trailer = loop {
        sha256.update(&text);
        if next(&mut text)? == 0 {
            return Err(damaged(format!("it is cut after offset {count}")));
        }
        if let Ok(trailer) = serde_json::from_slice(&text) {
            break trailer;
        }
        let line: Line = serde_json::from_slice(&text)
            .map_err(|error| damaged(format!("offset {}: {error}", count + 1)))?;
        line.take_keys(&keys)
            .ok_or_else(|| damaged(format!("offset {}: its key is none", count + 1)))?;
        let event = line
            .recorded()
            .ok_or_else(|| damaged(format!("offset {}: its hash is none", count + 1)))?;
        copying.event(&event)?;
        count += 1;
        if let Event::ParticipantRegistered(registration) = event.event {
            let subject = registration.subject;
            subjects.insert(subject.participant, subject);
        }
        if count % SYNC_EVENTS == 0 {
            keys.sync_pending().map_err(OpenError::Keys)?;
            progress(count, header.head);
        }
    };
    if trailer.sha256 != hex::encode(sha256.finalize()) || trailer.events != count {
        return Err(damaged("its SHA-256 is another".to_owned()));
    }
    keys.sync_pending().map_err(OpenError::Keys)?;
    drop(keys);
    let log = copying.open()?;
    let erased: HashSet<Erased> = trailer.erased.into_iter().collect();
    restoring::erase(&log, &erased, &subjects)?;
    log.verify(&mut |_| {})?;
    let head = log.head();
    // While the lock is held, as a restore does.
    copy::finish(data)?;
    log.close()
        .map_err(|error| OpenError::Store(error.to_string()))?;
    Ok(head)
}

impl Line {
    fn take_keys(&self, keys: &Keys) -> Option<()> {
        let take = |key: &Option<String>, subject: SubjectId| {
            let Some(key) = key else { return Some(()) };
            let bytes = zeroize::Zeroizing::new(STANDARD.decode(key).ok()?);
            keys.take_in(self.gathering, subject, &bytes).then_some(())
        };
        take(&self.gathering_key, self.gathering.to_bytes())?;
        match &self.event {
            Event::ParticipantRegistered(registration) => {
                take(&self.key, registration.subject.participant.to_bytes())
            }
            _ => Some(()),
        }
    }

    fn recorded(self) -> Option<Recorded> {
        let command = match self.command {
            Some(command) => Some(CommandRef {
                id: command.id,
                content_hash: hex::decode(command.content_hash).ok()?.try_into().ok()?,
            }),
            None => None,
        };
        Some(Recorded {
            offset: self.offset,
            event_id: self.event_id,
            gathering: self.gathering,
            recorded_at: self.recorded_at,
            occurred_at: self.occurred_at,
            actor: Actor {
                id: self.actor.id.into(),
                role: self.actor.role,
                name: self.actor.name,
            },
            correlation: self.correlation,
            causation: self.causation,
            command,
            event: self.event,
        })
    }
}

fn unwritten(error: io::Error) -> BackupError {
    BackupError::io(Path::new("the export"), error)
}
