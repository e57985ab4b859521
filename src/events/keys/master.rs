//! The key that wraps all others: `keys/master`, readable by its owner only.
//!
//! A list of versions, so that it can be renewed: records say which version wrapped them, and the
//! newest wraps. Magic `DBMK`, format, then version (1 byte) and key (32) each, then CRC32C.

use std::{fs, io, path::Path};

use zeroize::Zeroizing;

use super::cipher::{KEY_BYTES, SubjectKey};
use crate::events::snapshot::write_aside;

const MAGIC: [u8; 4] = *b"DBMK";
const FORMAT: u16 = 1;
const HEADER_BYTES: usize = 6;
const ENTRY_BYTES: usize = 1 + KEY_BYTES;

/// Oldest first, never empty.
pub(super) struct Master(Vec<(u8, SubjectKey)>);

impl Master {
    pub(super) fn generate() -> Self {
        Self(vec![(1, SubjectKey::generate())])
    }

    /// Reads the file, or makes it when `may_create`.
    pub(super) fn open(path: &Path, may_create: bool) -> io::Result<Self> {
        let bytes = match fs::read(path) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound && may_create => {
                let master = Self::generate();
                write_aside(path, &master.lay())?;
                return Ok(master);
            }
            Err(error) => return Err(about(path, &error.to_string(), error.kind())),
        };
        Self::parse(&bytes).ok_or_else(|| about(path, "it is damaged", io::ErrorKind::InvalidData))
    }

    /// The version that wraps, and its key.
    pub(super) fn newest(&self) -> (u8, &SubjectKey) {
        let (version, key) = &self.0[self.0.len() - 1];
        (*version, key)
    }

    pub(super) fn version(&self, version: u8) -> Option<&SubjectKey> {
        let found = self.0.iter().find(|(known, _)| *known == version);
        found.map(|(_, key)| key)
    }

    fn lay(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(256));
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        for (version, key) in &self.0 {
            bytes.push(*version);
            bytes.extend_from_slice(key.as_bytes());
        }
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (bytes, crc) = bytes.split_last_chunk()?;
        let (header, entries) = bytes.split_at_checked(HEADER_BYTES)?;
        let known = header[..4] == MAGIC && header[4..] == FORMAT.to_le_bytes();
        let whole = !entries.is_empty() && entries.len().is_multiple_of(ENTRY_BYTES);
        if !known || !whole || u32::from_le_bytes(*crc) != crc32c::crc32c(bytes) {
            return None;
        }
        entries
            .chunks_exact(ENTRY_BYTES)
            .map(|entry| Some((entry[0], SubjectKey::from_bytes(&entry[1..])?)))
            .collect::<Option<_>>()
            .map(Self)
    }
}

fn about(path: &Path, what: &str, kind: io::ErrorKind) -> io::Error {
    io::Error::new(kind, format!("{}: {what}", path.display()))
}
