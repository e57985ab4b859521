//! The wrapped keys of one gathering: in memory once used, in one file when there is a disk.
//!
//! The file: `DBKY`, format (2 bytes), two zeros; then records of 93 bytes: subject (16), version
//! of the master key (1), nonce (24), wrapped key (48), CRC32C. Appended to, or rewritten whole.

use std::{
    collections::HashMap,
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
    /// Adopted and not yet on disk.
    unsynced: Vec<SubjectId>,
    /// The gathering's own key, unwrapped once: every scan is hashed with it.
    own: Option<SubjectKey>,
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

    /// Rewrites the file without the keys of these subjects, when it has any of them.
    pub(super) fn destroy(&self, subjects: &[SubjectId]) -> Result<(), KeyError> {
        let _disk = self.disk.lock();
        let mut table = self.table.lock();
        self.load(&mut table)?;
        let gone: Vec<(SubjectId, Wrapped)> = subjects
            .iter()
            .filter_map(|subject| table.keys.remove_entry(subject))
            .collect();
        if gone.is_empty() {
            return Ok(());
        }
        table.own = None;
        let unsynced = std::mem::take(&mut table.unsynced);
        let Some(path) = &self.path else {
            return Ok(());
        };
        table
            .damaged
            .retain(|record| !subjects.iter().any(|subject| record.starts_with(subject)));
        let mut bytes = HEADER.to_vec();
        bytes.extend(table.damaged.iter().flatten());
        bytes.extend(
            table
                .keys
                .iter()
                .flat_map(|(subject, key)| lay(*subject, key)),
        );
        match rewrite(path, &bytes) {
            Ok(()) => {
                table.exists = true;
                Ok(())
            }
            Err(error) => {
                table.keys.extend(gone);
                table.unsynced = unsynced;
                Err(error.into())
            }
        }
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
mod tests {
    use super::*;
    use crate::events::{keys::Keys, log::conformance::data_dir};

    const GATHERING: GatheringId = GatheringId::from_bytes([1; 16]);

    fn subject(number: u8) -> SubjectId {
        [number; 16]
    }

    fn add(keys: &Keys, number: u8) -> Sealed {
        let fresh = keys.fresh(GATHERING, subject(number));
        let sealed = fresh.seal(b"Ada Lovelace");
        assert_eq!(fresh.keyed_hash(b"content").len(), 16);
        keys.adopt(fresh);
        sealed
    }

    fn reads(keys: &Keys, number: u8, sealed: &Sealed) -> bool {
        keys.unseal(GATHERING, subject(number), sealed)
            .is_ok_and(|clear| clear == b"Ada Lovelace")
    }

    fn path(dir: &Path) -> PathBuf {
        dir.join(format!("{GATHERING}.keys"))
    }

    #[test]
    fn keys_outlive_the_process_once_synced() {
        let dir = data_dir();
        let keys = Keys::open(dir.path()).unwrap();
        let first = add(&keys, 1);
        assert!(reads(&keys, 1, &first), "usable at once");
        keys.sync_pending().unwrap();
        let second = add(&keys, 2);
        let hash = keys.keyed_hash(GATHERING, subject(1), b"content").unwrap();
        drop(keys);
        let keys = Keys::open(dir.path()).unwrap();
        assert!(reads(&keys, 1, &first));
        assert!(!reads(&keys, 2, &second));
        assert_eq!(
            keys.keyed_hash(GATHERING, subject(1), b"content").unwrap(),
            hash
        );
        let third = add(&keys, 3);
        keys.sync_pending().unwrap();
        let keys = Keys::open(dir.path()).unwrap();
        assert!(reads(&keys, 1, &first) && reads(&keys, 3, &third));
    }

    #[test]
    fn a_destroyed_key_is_gone_for_good_and_the_others_stay() {
        let dir = data_dir();
        let keys = Keys::open(dir.path()).unwrap();
        let sealed: Vec<Sealed> = (0..4).map(|number| add(&keys, number)).collect();
        keys.sync_pending().unwrap();
        let late = add(&keys, 9);
        keys.destroy(GATHERING, subject(2)).unwrap();
        keys.destroy(GATHERING, subject(2)).unwrap();
        for keys in [keys, Keys::open(dir.path()).unwrap()] {
            let erased = keys.unseal(GATHERING, subject(2), &sealed[2]);
            assert!(matches!(erased, Err(KeyError::Erased)));
            assert!(reads(&keys, 1, &sealed[1]) && reads(&keys, 3, &sealed[3]));
            assert!(
                reads(&keys, 9, &late),
                "a rewrite takes the pending ones along"
            );
        }
        let bytes = fs::read(path(dir.path())).unwrap();
        assert!(!bytes.windows(16).any(|window| window == subject(2)));
    }

    #[test]
    fn the_torn_end_of_an_append_is_cut() {
        let dir = data_dir();
        let keys = Keys::open(dir.path()).unwrap();
        let sealed = add(&keys, 1);
        keys.sync_pending().unwrap();
        let whole = fs::read(path(dir.path())).unwrap();
        for tail in [&[7; 50][..], &[0; 2 * RECORD_BYTES + 9][..]] {
            fs::write(path(dir.path()), [&whole[..], tail].concat()).unwrap();
            let keys = Keys::open(dir.path()).unwrap();
            assert!(reads(&keys, 1, &sealed));
            assert_eq!(fs::read(path(dir.path())).unwrap(), whole);
        }
    }

    #[test]
    fn a_damaged_record_takes_nobody_else_along() {
        let dir = data_dir();
        let keys = Keys::open(dir.path()).unwrap();
        let sealed: Vec<Sealed> = (0..3).map(|number| add(&keys, number)).collect();
        keys.sync_pending().unwrap();
        let whole = fs::read(path(dir.path())).unwrap();
        for at in HEADER_BYTES + RECORD_BYTES..HEADER_BYTES + 2 * RECORD_BYTES {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            fs::write(path(dir.path()), bytes).unwrap();
            let keys = Keys::open(dir.path()).unwrap();
            let read = keys.unseal(GATHERING, subject(1), &sealed[1]);
            assert!(matches!(read, Err(KeyError::Damaged { .. })), "byte {at}");
            assert!(reads(&keys, 0, &sealed[0]) && reads(&keys, 2, &sealed[2]));
        }
    }

    #[test]
    fn of_two_keys_for_one_subject_the_later_one_is_in_use() {
        let dir = data_dir();
        let keys = Keys::open(dir.path()).unwrap();
        add(&keys, 1);
        keys.sync_pending().unwrap();
        let keys = Keys::open(dir.path()).unwrap();
        let again = add(&keys, 1);
        keys.sync_pending().unwrap();
        assert!(reads(&keys, 1, &again));
        let keys = Keys::open(dir.path()).unwrap();
        assert!(reads(&keys, 1, &again));
        keys.destroy(GATHERING, subject(1)).unwrap();
        let bytes = fs::read(path(dir.path())).unwrap();
        assert!(!bytes.windows(16).any(|window| window == subject(1)));
    }

    #[test]
    fn a_missing_file_is_damage_not_an_erasure() {
        let dir = data_dir();
        let keys = Keys::open(dir.path()).unwrap();
        let sealed = add(&keys, 1);
        keys.sync_pending().unwrap();
        fs::remove_file(path(dir.path())).unwrap();
        let keys = Keys::open(dir.path()).unwrap();
        let read = keys.unseal(GATHERING, subject(1), &sealed);
        assert!(matches!(read, Err(KeyError::Damaged { .. })));
    }

    #[test]
    fn a_lost_or_damaged_master_key_is_never_replaced() {
        let dir = data_dir();
        let keys = Keys::open(dir.path()).unwrap();
        add(&keys, 1);
        keys.sync_pending().unwrap();
        let master = dir.path().join("master");
        let mut bytes = fs::read(&master).unwrap();
        bytes[20] ^= 1;
        fs::write(&master, bytes).unwrap();
        assert!(Keys::open(dir.path()).is_err());
        fs::remove_file(&master).unwrap();
        assert!(Keys::open(dir.path()).is_err());
        assert!(!master.exists());
    }
}
