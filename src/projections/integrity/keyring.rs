//! Which key signs, and which have signed: `key` is made once, for its owner alone, unless one is given;
//! `verifier-keys` lists the public halves of all that ever signed for this directory. A directory whose
//! key has gone signs nothing: another key would make another log of it.

use std::{fs, io, path::Path, sync::Arc};

use zeroize::Zeroizing;

use super::note::{KeyTextError, NoteKey, VerifierKey};
use crate::events::snapshot::write_aside;

pub(super) const KEY_FILE: &str = "key";
pub(super) const VERIFIERS_FILE: &str = "verifier-keys";

/// Where the key that signs checkpoints comes from.
#[derive(Debug, Clone, Default)]
pub enum KeySource {
    /// Read from the data directory, made there when none ever was.
    #[default]
    DataDir,
    Given(Arc<NoteKey>),
}

impl KeySource {
    /// The key in a file, as text.
    ///
    /// # Errors
    /// When it cannot be read or is no key; what was read is not said.
    pub fn read(path: &Path) -> io::Result<Self> {
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let text = fs::read_to_string(path)
            .map(Zeroizing::new)
            .map_err(named)?;
        NoteKey::parse(&text)
            .map(|key| Self::Given(Arc::new(key)))
            .map_err(|error| named(io::Error::new(io::ErrorKind::InvalidData, error)))
    }
}

#[derive(Debug)]
pub(super) struct Keyring {
    /// Why there is none, otherwise.
    pub(super) signer: Result<Arc<NoteKey>, String>,
}

impl Keyring {
    /// For a log in memory.
    pub(super) fn in_memory(source: KeySource) -> Self {
        let signer = match source {
            KeySource::Given(key) => Ok(key),
            KeySource::DataDir => generate().map(Arc::new).map_err(|error| error.to_string()),
        };
        Self { signer }
    }

    pub(super) fn open(dir: &Path, source: KeySource) -> io::Result<Self> {
        let verifiers = match verifiers(dir) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                let signer = Err(error.to_string());
                return Ok(Self { signer });
            }
            verifiers => verifiers?,
        };
        let signer = match source {
            KeySource::Given(key) => Ok(key),
            KeySource::DataDir => signer(dir, !verifiers.is_empty())?.map(Arc::new),
        };
        if let Ok(key) = &signer {
            remember(dir, verifiers, key.verifier())?;
        }
        Ok(Self { signer })
    }
}

/// The keys that have signed for this directory, in the order in which they first did.
pub(super) fn verifiers(dir: &Path) -> io::Result<Vec<VerifierKey>> {
    let text = match fs::read_to_string(dir.join(VERIFIERS_FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let wrong = |what: String| {
        let what = format!("the file `integrity/{VERIFIERS_FILE}`: {what}");
        io::Error::new(io::ErrorKind::InvalidData, what)
    };
    let keys: Vec<VerifierKey> = (text.lines())
        .map(|line| line.parse())
        .collect::<Result<_, _>>()
        .map_err(|error: KeyTextError| wrong(error.to_string()))?;
    if lines(&keys) == text {
        Ok(keys)
    } else {
        Err(wrong("it is not as it was written".to_owned()))
    }
}

fn lines(keys: &[VerifierKey]) -> String {
    keys.iter().map(|key| format!("{key}\n")).collect()
}

/// Whether the key in the directory, if there is one, can be read and is listed.
pub(super) fn check(dir: &Path) -> io::Result<()> {
    if !dir.join(KEY_FILE).exists() {
        return Ok(());
    }
    let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let key = signer(dir, true)?.map_err(wrong)?;
    let text = Zeroizing::new(fs::read_to_string(dir.join(KEY_FILE))?);
    if text.trim_end_matches('\n') != key.text().as_str() {
        return Err(wrong(format!(
            "`integrity/{KEY_FILE}` is not as it was written"
        )));
    }
    if verifiers(dir)?.contains(key.verifier()) {
        Ok(())
    } else {
        let what = format!("`integrity/{KEY_FILE}` is not listed in `integrity/{VERIFIERS_FILE}`");
        Err(wrong(what))
    }
}

/// The key in the directory; made when there is none and never was one.
fn signer(dir: &Path, there_was_one: bool) -> io::Result<Result<NoteKey, String>> {
    let path = dir.join(KEY_FILE);
    match fs::read_to_string(&path).map(Zeroizing::new) {
        Ok(text) => Ok(NoteKey::parse(&text)
            .map_err(|error| format!("the file `integrity/{KEY_FILE}`: {error}"))),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Ok(Err(format!("the file `integrity/{KEY_FILE}`: {error}")))
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Err(_) if there_was_one => Ok(Err(format!(
            "the key that signs checkpoints is not in the data directory: give it with --checkpoint-key, or put `integrity/{KEY_FILE}` back from a backup"
        ))),
        Err(_) => {
            let key = generate()?;
            let text = Zeroizing::new(format!("{}\n", *key.text()));
            write_aside(&path, text.as_bytes())?;
            Ok(Ok(key))
        }
    }
}

/// A new key. Its name, which is the log's for all who keep checkpoints, is random, too.
fn generate() -> io::Result<NoteKey> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut()).map_err(io::Error::other)?;
    let mut name = [0; 4];
    getrandom::fill(&mut name).map_err(io::Error::other)?;
    Ok(NoteKey::new(
        &format!("doorbook/{}", hex::encode(name)),
        &seed,
    ))
}

fn remember(dir: &Path, mut verifiers: Vec<VerifierKey>, key: &VerifierKey) -> io::Result<()> {
    if verifiers.contains(key) {
        return Ok(());
    }
    verifiers.push(key.clone());
    write_aside(&dir.join(VERIFIERS_FILE), lines(&verifiers).as_bytes())
}
