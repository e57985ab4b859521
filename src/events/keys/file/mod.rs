//! The wrapped keys of one gathering: in memory once used, in one file when there is a disk.
//!
//! The file: `DBKY`, format (2 bytes), two zeros; then records of 93 bytes: subject (16), version
//! of the master key (1), nonce (24), wrapped key (48), CRC32C. Appended to, or rewritten whole.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io::{self, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use parking_lot::Mutex;

use super::{
    KeyError, SubjectId,
    cipher::{KEY_BYTES, NONCE_BYTES, SubjectKey, TAG_BYTES},
    master::Master,
};
use crate::events::{
    event::Sealed,
    ids::GatheringId,
    snapshot::{sync_dir, write_aside},
};

const HEADER: [u8; HEADER_BYTES] = *b"DBKY\x01\0\0\0";
const HEADER_BYTES: usize = 8;
const WRAPPED_BYTES: usize = NONCE_BYTES + KEY_BYTES + TAG_BYTES;
const RECORD_BYTES: usize = 16 + 1 + WRAPPED_BYTES + 4;

pub(super) struct KeyFile {
    gathering: GatheringId,
    /// None: nothing of it is ever on disk.
    path: Option<PathBuf>,
    /// Held while the file is written, so that an append and a rewrite cannot mix. Taken before
    /// `table`, which is held for microseconds only.
    disk: Mutex<()>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    loaded: bool,
    /// The file was there when it was loaded, or has been made since.
    exists: bool,
    keys: HashMap<SubjectId, Wrapped>,
    /// Records that are not what they should be. Kept as they are.
    damaged: Vec<[u8; RECORD_BYTES]>,
    /// The file does not begin as one does, so nothing in it is sure.
    unknown: bool,
    /// Adopted and not yet on disk.
    unsynced: Vec<SubjectId>,
    /// The gathering's own key, unwrapped once: every scan is hashed with it.
    own: Option<SubjectKey>,
}

/// What goes from memory before it goes from the file.
struct Taken {
    keys: Vec<(SubjectId, Wrapped)>,
    damaged: Vec<[u8; RECORD_BYTES]>,
    unsynced: Vec<SubjectId>,
}

#[derive(Clone, Copy)]
struct Wrapped {
    version: u8,
    bytes: [u8; WRAPPED_BYTES],
}

impl KeyFile {
    pub(super) fn new(gathering: GatheringId, dir: Option<&Path>) -> Self {
        Self {
            gathering,
            path: dir.map(|dir| dir.join(format!("{gathering}.keys"))),
            disk: Mutex::new(()),
            table: Mutex::default(),
        }
    }

    /// A file's content, in memory alone.
    pub(super) fn of_bytes(gathering: GatheringId, bytes: &[u8]) -> Self {
        let file = Self::new(gathering, None);
        {
            let mut table = file.table.lock();
            file.parse(bytes, &mut table);
            table.loaded = true;
        }
        file
    }

    /// What is on the disk, not in the middle of a write. An error when there is no file.
    pub(super) fn content(&self) -> io::Result<Vec<u8>> {
        let _disk = self.disk.lock();
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        fs::read(self.path.as_ref().ok_or_else(missing)?)
    }

    pub(super) fn key(&self, subject: SubjectId, master: &Master) -> Result<SubjectKey, KeyError> {
        let is_own = subject == self.gathering.to_bytes();
        let wrapped = {
            let mut table = self.table.lock();
            if let (true, Some(own)) = (is_own, &table.own) {
                return Ok(own.clone());
            }
            let found = table.keys.get(&subject).copied();
            match found {
                Some(wrapped) => wrapped,
                None => {
                    self.load(&mut table)?;
                    let found = table.keys.get(&subject).copied();
                    found.ok_or_else(|| self.why_missing(&table))?
                }
            }
        };
        let key = master.version(wrapped.version).and_then(|master| {
            let bytes = master.unseal(
                &self.bound_to(subject, wrapped.version),
                &Sealed(wrapped.bytes.into()),
            )?;
            SubjectKey::from_bytes(&zeroize::Zeroizing::new(bytes))
        });
        let key = key.ok_or_else(|| self.damaged("the master key does not open it"))?;
        if is_own {
            self.table.lock().own = Some(key.clone());
        }
        Ok(key)
    }

    pub(super) fn adopt(&self, subject: SubjectId, key: &SubjectKey, master: &Master) {
        let (version, master) = master.newest();
        let sealed = master.seal(&self.bound_to(subject, version), key.as_bytes());
        let mut bytes = [0; WRAPPED_BYTES];
        bytes.copy_from_slice(&sealed.0);
        let mut table = self.table.lock();
        table.keys.insert(subject, Wrapped { version, bytes });
        table.unsynced.push(subject);
        if subject == self.gathering.to_bytes() {
            table.own = None;
        }
    }

    /// Whether a key of this subject's is in memory: adopted here, or read from the file.
    pub(super) fn holds(&self, subject: SubjectId) -> bool {
        self.table.lock().keys.contains_key(&subject)
    }

    /// Returns when all adopted keys are on the disk.
    pub(super) fn sync(&self) -> Result<(), KeyError> {
        let _disk = self.disk.lock();
        let (records, created) = {
            let mut table = self.table.lock();
            self.load(&mut table)?;
            let subjects = std::mem::take(&mut table.unsynced);
            let created = !std::mem::replace(&mut table.exists, true);
            let records: Vec<u8> = subjects
                .iter()
                .filter_map(|subject| Some(lay(*subject, table.keys.get(subject)?)))
                .flatten()
                .collect();
            (records, created)
        };
        let Some(path) = &self.path else {
            return Ok(());
        };
        if records.is_empty() {
            return Ok(());
        }
        let mut file = File::options()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        if created {
            file.write_all(&HEADER)?;
        }
        file.write_all(&records)?;
        file.sync_data()?;
        match path.parent() {
            Some(dir) if created => Ok(sync_dir(dir)?),
            _ => Ok(()),
        }
    }

    /// Rewrites the file without the keys of these subjects, when it has any of them, readable or not.
    pub(super) fn destroy(&self, subjects: &[SubjectId]) -> Result<(), KeyError> {
        let _disk = self.disk.lock();
        let Some((taken, bytes)) = self.take_out(subjects)? else {
            return Ok(());
        };
        // Without `table`, so that nobody who reads another key waits for the disk.
        let written = self.path.as_ref().map(|path| rewrite(path, &bytes));
        let mut table = self.table.lock();
        match written {
            None => Ok(()),
            Some(Ok(())) => {
                table.exists = true;
                Ok(())
            }
            Some(Err(error)) => {
                for (subject, key) in taken.keys {
                    table.keys.entry(subject).or_insert(key);
                }
                table.damaged.extend(taken.damaged);
                table.unsynced.extend(taken.unsynced);
                Err(error.into())
            }
        }
    }

    /// Takes the keys out of memory; gives what to put back if the file cannot be rewritten, and what is to
    /// be in it. None: there is nothing of these subjects.
    fn take_out(&self, subjects: &[SubjectId]) -> Result<Option<(Taken, Vec<u8>)>, KeyError> {
        let mut table = self.table.lock();
        self.load(&mut table)?;
        if table.unknown {
            return Err(self.damaged(
                "the key file does not begin as one does: no key can be destroyed in it",
            ));
        }
        let keys: Vec<(SubjectId, Wrapped)> = subjects
            .iter()
            .filter_map(|subject| table.keys.remove_entry(subject))
            .collect();
        let damaged = std::mem::take(&mut table.damaged);
        let (gone, kept) = (damaged.into_iter())
            .partition::<Vec<_>, _>(|record| subjects.iter().any(|it| record.starts_with(it)));
        table.damaged = kept;
        if keys.is_empty() && gone.is_empty() {
            return Ok(None);
        }
        table.own = None;
        let mut bytes = HEADER.to_vec();
        bytes.extend(table.damaged.iter().flatten());
        let records = (table.keys.iter()).flat_map(|(subject, key)| lay(*subject, key));
        bytes.extend(records);
        let taken = Taken {
            keys,
            damaged: gone,
            unsynced: std::mem::take(&mut table.unsynced),
        };
        Ok(Some((taken, bytes)))
    }

    fn load(&self, table: &mut Table) -> Result<(), KeyError> {
        if table.loaded {
            return Ok(());
        }
        if let Some(path) = &self.path {
            match fs::read(path) {
                Ok(bytes) => {
                    let whole = self.parse(&bytes, table);
                    if whole < bytes.len() {
                        tracing::warn!(
                            gathering = %self.gathering,
                            "cut the end of a key file, which a crash had left half written"
                        );
                        File::options()
                            .write(true)
                            .open(path)?
                            .set_len(whole as u64)?;
                    }
                    table.exists = whole > 0;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        table.loaded = true;
        Ok(())
    }

    /// Takes the records in; says how many bytes of the file to keep. What a crash leaves of an
    /// append is a piece of a record or zeros at the end; nothing needs those keys.
    fn parse(&self, bytes: &[u8], table: &mut Table) -> usize {
        let Some(records) = bytes.get(HEADER_BYTES..) else {
            return 0;
        };
        let (records, _) = records.as_chunks::<RECORD_BYTES>();
        let torn = records
            .iter()
            .rev()
            .take_while(|record| record.iter().all(|byte| *byte == 0));
        let records = &records[..records.len() - torn.count()];
        let known = bytes[..HEADER_BYTES] == HEADER;
        table.unknown = !known;
        // A crash may have come between a key and the event that needed it; the key that was made when the
        // command came again is behind the first one, and is the one in use.
        let mut newest = HashMap::with_capacity(records.len());
        for record in records {
            match parse_record(record).filter(|_| known) {
                Some((subject, key)) => drop(newest.insert(subject, key)),
                None => table.damaged.push(*record),
            }
        }
        for (subject, key) in newest {
            // What has been adopted since is newer still.
            table.keys.entry(subject).or_insert(key);
        }
        HEADER_BYTES + records.len() * RECORD_BYTES
    }

    /// A missing key was destroyed, unless something else may have taken it.
    fn why_missing(&self, table: &Table) -> KeyError {
        if !table.damaged.is_empty() {
            self.damaged("the record cannot be found, and some records are damaged")
        } else if self.path.is_some() && !table.exists {
            self.damaged("the key file is missing")
        } else {
            KeyError::Erased
        }
    }

    fn damaged(&self, detail: &str) -> KeyError {
        KeyError::Damaged {
            gathering: self.gathering,
            detail: detail.to_owned(),
        }
    }

    fn bound_to(&self, subject: SubjectId, version: u8) -> [u8; 33] {
        let mut bound = [version; 33];
        bound[..16].copy_from_slice(&self.gathering.to_bytes());
        bound[16..32].copy_from_slice(&subject);
        bound
    }
}

/// The file's bytes without the records of these subjects, whichever key they hold.
pub(super) fn without(bytes: &[u8], subjects: &HashSet<SubjectId>) -> Vec<u8> {
    let Some((header, records)) = bytes.split_at_checked(HEADER_BYTES) else {
        return bytes.to_vec();
    };
    let mut kept = header.to_vec();
    for record in records.chunks(RECORD_BYTES) {
        let subject = record.first_chunk::<16>();
        if subject.is_none_or(|subject| !subjects.contains(subject)) {
            kept.extend_from_slice(record);
        }
    }
    kept
}

fn lay(subject: SubjectId, key: &Wrapped) -> [u8; RECORD_BYTES] {
    let mut record = [0; RECORD_BYTES];
    record[..16].copy_from_slice(&subject);
    record[16] = key.version;
    record[17..17 + WRAPPED_BYTES].copy_from_slice(&key.bytes);
    let crc = crc32c::crc32c(&record[..RECORD_BYTES - 4]);
    record[RECORD_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
    record
}

fn parse_record(record: &[u8; RECORD_BYTES]) -> Option<(SubjectId, Wrapped)> {
    let (content, crc) = record.split_last_chunk()?;
    let (subject, rest) = content.split_first_chunk()?;
    let (version, wrapped) = rest.split_first()?;
    let key = Wrapped {
        version: *version,
        bytes: wrapped.try_into().ok()?,
    };
    (u32::from_le_bytes(*crc) == crc32c::crc32c(content)).then_some((*subject, key))
}

/// Puts the new file in the old one's place, then overwrites what the old one held.
fn rewrite(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let old = File::options().write(true).open(path);
    write_aside(path, bytes)?;
    match old {
        Ok(old) => overwrite(old),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn overwrite(mut file: File) -> io::Result<()> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(0))?;
    io::copy(&mut io::Read::take(io::repeat(0), length), &mut file)?;
    file.sync_data()
}

#[cfg(test)]
mod tests;
