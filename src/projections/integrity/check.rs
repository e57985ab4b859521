//! Holds a log against everything that was kept of it: every frame, event and hash, the kept tree, every
//! kept checkpoint, and one that an auditor brings. Reads `integrity/` as it lies there and mends nothing,
//! so that what is wrong is found before something follows the log again.

use std::{
    fmt,
    fs::File,
    io::{BufReader, Read as _},
    ops::ControlFlow,
    path::Path,
};

use super::{
    Checkpoint, DIRECTORY, VerifierKey,
    hashes::{self, Found, HASH_BYTES, HASHES_FILE, Reach},
    kept, keyring,
    note::NoteError,
    proof::base64,
    tree::{self, Edge, Hash},
};
use crate::events::{
    ids::Offset,
    log::{LeafHash, Log, OpenError, VerifyReport},
};

/// What to do when kept hashes and the log differ.
const REMEDY: &str = "`doorbook rebuild-projection integrity` makes the kept hashes anew from the log, and says when the log is not the one that checkpoints were signed for";
/// Read ahead of the kept hashes, bytes.
const READ_AHEAD_BYTES: usize = 256 * 1024;

/// Everything agrees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Covered {
    pub log: VerifyReport,
    /// Up to which offset each record was held against the hash kept of it. The rest is folded at the
    /// next start.
    pub hashed: Offset,
    /// The root over the whole log.
    pub root: Hash,
    /// How many kept checkpoints are good, and the size of the last.
    pub checkpoints: usize,
    pub last_checkpoint: Offset,
    /// What the auditor's checkpoint covers.
    pub auditors: Option<Offset>,
}

impl Covered {
    /// The root in base64, as checkpoints say it.
    #[must_use]
    pub fn root_text(&self) -> String {
        base64(&self.root)
    }
}

/// The first thing that does not agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The first offset that is bad, as far as can be told; none when it is not the log that is.
    pub offset: Option<Offset>,
    pub detail: String,
}

/// A checkpoint that somebody kept elsewhere.
#[derive(Debug, Clone)]
pub struct Auditors {
    pub note: String,
    /// Else one that has signed for this directory.
    pub key: Option<VerifierKey>,
}

/// Reads the whole log. `progress` is told how far it has come.
///
/// # Errors
/// The first [`Finding`].
pub fn check(
    log: &Log,
    auditors: Option<&Auditors>,
    progress: &mut dyn FnMut(Offset),
) -> Result<Covered, Finding> {
    let head = log.head();
    let signed = Signed::read(log, auditors)?;
    if let Some(last) = signed.all.last()
        && last.size > head
    {
        return Err(Finding::at(
            head + 1,
            format!(
                "the log ends at offset {head}, but {} covers {}: its end was cut",
                last.whose, last.size
            ),
        ));
    }
    let (nothing, signed_all) =
        (signed.all).split_at(signed.all.partition_point(|it| it.size == 0));
    if (nothing.iter()).any(|claim| claim.root != tree::EMPTY_ROOT) {
        return Err(Finding::at(
            1,
            "a checkpoint of no events has another root than nothing".to_owned(),
        ));
    }
    let mut fold = Fold::new(log, signed_all)?;
    let verified = log.verify_leaves(&mut |last, leaves| {
        progress(last);
        fold.add(leaves)
    });
    if let Some(finding) = fold.finding {
        return Err(finding);
    }
    let verified = verified.map_err(Finding::from)?;
    Ok(Covered {
        log: verified,
        hashed: fold.kept.reach.map_or(0, |reach| reach.size),
        root: fold.edge.root(),
        checkpoints: signed.kept,
        last_checkpoint: signed.last_kept,
        auditors: signed.auditors,
    })
}

/// A checkpoint that a known key signed, and how to speak of it.
struct Claim {
    size: Offset,
    root: Hash,
    whose: &'static str,
}

/// All that was signed, by size.
struct Signed {
    all: Vec<Claim>,
    kept: usize,
    last_kept: Offset,
    auditors: Option<Offset>,
}

impl Signed {
    fn read(log: &Log, auditors: Option<&Auditors>) -> Result<Self, Finding> {
        let dir = log.data_dir().map(|dir| dir.join(DIRECTORY));
        let keys = match &dir {
            Some(dir) => keyring::verifiers(dir).map_err(|error| Finding::file(&error))?,
            None => Vec::new(),
        };
        let mut all = match &dir {
            Some(dir) => kept_claims(dir, &keys)?,
            None => Vec::new(),
        };
        let (kept, last_kept) = (all.len(), all.last().map_or(0, |last| last.size));
        let auditors = match auditors {
            Some(auditors) => Some(auditors.open(&keys)?),
            None => None,
        };
        let size = auditors.as_ref().map(|claim| claim.size);
        all.extend(auditors);
        all.sort_by_key(|claim| claim.size);
        Ok(Self {
            all,
            kept,
            last_kept,
            auditors: size,
        })
    }
}

fn kept_claims(dir: &Path, keys: &[VerifierKey]) -> Result<Vec<Claim>, Finding> {
    keyring::check(dir).map_err(|error| Finding::file(&error))?;
    let notes = kept::notes(dir)
        .map_err(|error| Finding::file(&format!("the file `integrity/checkpoints`: {error}")))?;
    let mut claims: Vec<Claim> = Vec::new();
    for note in &notes {
        let opened = (keys.iter()).find_map(|key| Checkpoint::open(note, key).ok());
        let last = claims.last().map_or(0, |claim| claim.size);
        match opened {
            Some(Checkpoint { size, root, .. }) if size > last => claims.push(Claim {
                size,
                root,
                whose: "a kept checkpoint",
            }),
            Some(_) => {
                return Err(Finding::file(
                    &"the checkpoints in `integrity/checkpoints` are not in their order",
                ));
            }
            None => {
                return Err(Finding::file(&format!(
                    "the checkpoint behind that of size {last} in `integrity/checkpoints` is not signed by a key of this directory, or has been changed"
                )));
            }
        }
    }
    Ok(claims)
}

impl Auditors {
    fn open(&self, keys: &[VerifierKey]) -> Result<Claim, Finding> {
        let keys = self.key.as_ref().map_or(keys, std::slice::from_ref);
        let opened = (keys.iter().map(|key| Checkpoint::open(&self.note, key)))
            .reduce(Result::or)
            .unwrap_or_else(|| Err(NoteError::NotSigned("of this directory".to_owned())));
        match opened {
            Ok(Checkpoint { size, root, .. }) => Ok(Claim {
                size,
                root,
                whose: "the auditor's checkpoint",
            }),
            Err(error) => Err(Finding::file(&format!("the auditor's checkpoint: {error}"))),
        }
    }
}

/// The tree as it grows from the log, held against what was kept.
struct Fold<'s> {
    edge: Edge,
    kept: KeptHashes,
    /// What was signed and not come by yet.
    signed: &'s [Claim],
    /// The last size at which what was signed agreed.
    agreed: Offset,
    finding: Option<Finding>,
}

/// The kept hashes, read in their order.
struct KeptHashes {
    reach: Option<Reach>,
    file: Option<BufReader<File>>,
}

impl<'s> Fold<'s> {
    fn new(log: &Log, signed: &'s [Claim]) -> Result<Self, Finding> {
        Ok(Self {
            edge: Edge::default(),
            kept: KeptHashes::open(log)?,
            signed,
            agreed: 0,
            finding: None,
        })
    }

    fn add(&mut self, leaves: &[LeafHash]) -> ControlFlow<()> {
        for leaf in leaves {
            if let Err(finding) = self.leaf(leaf) {
                self.finding = Some(finding);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    fn leaf(&mut self, leaf: &LeafHash) -> Result<(), Finding> {
        let offset = self.edge.size() + 1;
        let reach = self.kept.reach.filter(|reach| offset <= reach.size);
        let kept = self.kept.file.as_mut().filter(|_| reach.is_some());
        let mut differs = None;
        if let Some(kept) = kept {
            self.edge.push(*leaf, |hash| {
                let mut expected = [0; HASH_BYTES as usize];
                if kept.read_exact(&mut expected).is_err() {
                    differs = differs.or(Some("the kept hashes end before it"));
                } else if expected != *hash {
                    differs = differs.or(Some(
                        "it is not the record whose hash was kept when it was written, or the kept hash was changed",
                    ));
                }
            });
        } else {
            self.edge.push(*leaf, |_| ());
        }
        if let Some(what) = differs {
            return Err(Finding::at(offset, format!("{what}. {REMEDY}")));
        }
        if let Some(reach) = reach
            && reach.size == offset
            && reach.root != self.edge.root()
        {
            let what = "the root that `integrity/state` keeps is not the log's";
            return Err(Finding::at(offset, what.to_owned()));
        }
        while let Some((claim, rest)) = self.signed.split_first()
            && claim.size <= offset
        {
            self.hold(claim)?;
            self.signed = rest;
        }
        Ok(())
    }

    fn hold(&mut self, claim: &Claim) -> Result<(), Finding> {
        if self.edge.root() == claim.root {
            self.agreed = claim.size;
            return Ok(());
        }
        let (from, to) = (self.agreed + 1, claim.size);
        let whose = claim.whose;
        Err(Finding::at(
            from,
            format!(
                "history was rewritten somewhere from here to offset {to}: {whose} of size {to} was signed for another one"
            ),
        ))
    }
}

impl KeptHashes {
    fn open(log: &Log) -> Result<Self, Finding> {
        let none = Self {
            reach: None,
            file: None,
        };
        let Some(dir) = log.data_dir().map(|dir| dir.join(DIRECTORY)) else {
            return Ok(none);
        };
        let found = hashes::found(&dir, log.epoch()).map_err(|error| Finding::file(&error))?;
        let reach = match found {
            Found::Nothing => return Ok(none),
            Found::Damaged(what) => return Err(Finding::file(&what)),
            Found::Reach(reach) => reach,
        };
        if reach.size > log.head() {
            return Err(Finding::at(
                log.head() + 1,
                format!(
                    "the log ends before it, but hashes of its records up to {} were kept",
                    reach.size
                ),
            ));
        }
        let file = File::open(dir.join(HASHES_FILE)).map_err(|error| {
            Finding::file(&format!("the file `integrity/{HASHES_FILE}`: {error}"))
        })?;
        Ok(Self {
            reach: Some(reach),
            file: Some(BufReader::with_capacity(READ_AHEAD_BYTES, file)),
        })
    }
}

impl Finding {
    fn at(offset: Offset, detail: String) -> Self {
        Self {
            offset: Some(offset),
            detail,
        }
    }

    fn file(what: &dyn fmt::Display) -> Self {
        Self {
            offset: None,
            detail: what.to_string(),
        }
    }
}

impl From<OpenError> for Finding {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Damaged { offset, detail, .. } => Self::at(offset, detail),
            error => Self::file(&error),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset {
            Some(offset) => write!(
                f,
                "offset {offset} is the first that is bad: {}",
                self.detail
            ),
            None => f.write_str(&self.detail),
        }
    }
}

impl std::error::Error for Finding {}
