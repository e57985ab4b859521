//! One forgery: what is changed, and where, as chance will have it.

use std::{
    fmt, fs,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use super::frames::{Frames, SLOT_BYTES, STAMP_BYTES, swap_but_for_time};
use crate::log_history::files_below;

const ANY_OFFSET: RangeInclusive<u64> = 1..=u64::MAX;
/// In a snapshot's file.
const SNAPSHOT_HEADER_BYTES: usize = 46;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// A byte of sled's files.
    LogFile,
    /// A byte of a record; the rest of the log is made to fit.
    Record,
    /// Two records, or all of two frames, change places; the rest is made to fit.
    Order,
    /// The last events never happened.
    Tail,
    /// A byte in the state of a view; its checksum is made to fit.
    ViewRow,
    /// A byte of what the tree is kept in.
    Integrity,
    Witness,
    Keys,
}

impl Target {
    pub(super) const ALL: [Self; 8] = [
        Self::LogFile,
        Self::Record,
        Self::Order,
        Self::Tail,
        Self::ViewRow,
        Self::Integrity,
        Self::Witness,
        Self::Keys,
    ];
}

pub(super) struct Forgery {
    pub(super) target: Target,
    /// In words, for whoever has to look into it.
    what: String,
    /// The offsets that may be named as the first bad one.
    pub(super) offsets: RangeInclusive<u64>,
    /// Everything that was derived from the log is gone, what was signed included. Nothing in the
    /// directory can tell then; what was kept elsewhere has to.
    pub(super) forgets_all_proof: bool,
}

impl fmt::Debug for Forgery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.target, self.what)
    }
}

impl Forgery {
    pub(super) fn commit(dir: &Path, chance: &mut Chance) -> Self {
        let target = Target::ALL[chance.below(Target::ALL.len() as u64) as usize];
        let mut forgery = Self::of(target, dir, chance);
        if forgery.rewrites_history() {
            forgery.cover_up(dir, chance);
        }
        forgery
    }

    fn of(target: Target, dir: &Path, chance: &mut Chance) -> Self {
        match target {
            Target::LogFile => in_file(target, dir, &files(dir, "log"), chance),
            Target::Record => record(dir, chance),
            Target::Order => order(dir, chance),
            Target::Tail => tail(dir, chance),
            Target::ViewRow => view_row(dir, chance),
            Target::Integrity => in_file(target, dir, &files(dir, "integrity"), chance),
            Target::Witness => witness(dir, chance),
            Target::Keys => in_file(target, dir, &files(dir, "keys"), chance),
        }
    }

    /// A forger who thinks of more than the log also takes away what the tree is kept in, so that it
    /// is made anew, or even all that was ever derived and signed.
    fn cover_up(&mut self, dir: &Path, chance: &mut Chance) {
        let cover = match chance.below(6) {
            0 | 1 => {
                fs::remove_file(dir.join("integrity/hashes")).unwrap();
                fs::remove_file(dir.join("integrity/state")).unwrap();
                "; the kept hashes are gone"
            }
            2 => {
                fs::remove_dir_all(dir.join("integrity")).unwrap();
                fs::remove_dir_all(dir.join("snapshots")).unwrap();
                self.forgets_all_proof = true;
                "; all that was derived and signed is gone"
            }
            _ => "",
        };
        self.what.push_str(cover);
        if !cover.is_empty() {
            // What is signed covers a span; where in it is not known.
            self.offsets = ANY_OFFSET;
        }
    }

    pub(super) fn rewrites_history(&self) -> bool {
        matches!(self.target, Target::Record | Target::Order | Target::Tail)
    }
}

fn files(dir: &Path, below: &str) -> Vec<PathBuf> {
    let files = files_below(&dir.join(below)).unwrap();
    let full = |file: &PathBuf| fs::metadata(dir.join(below).join(file)).unwrap().len() > 0;
    files
        .into_iter()
        .filter(full)
        .map(|file| Path::new(below).join(file))
        .collect()
}

/// One byte of one file, mostly where it is not zeros to the end.
fn in_file(target: Target, dir: &Path, files: &[PathBuf], chance: &mut Chance) -> Forgery {
    let file = &files[chance.below(files.len() as u64) as usize];
    let mut bytes = fs::read(dir.join(file)).unwrap();
    let used = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(1, |at| at + 1);
    let range = if chance.below(8) == 0 {
        bytes.len()
    } else {
        used
    };
    let at = chance.below(range as u64) as usize;
    let what = change(&mut bytes, at, chance);
    fs::write(dir.join(file), bytes).unwrap();
    Forgery {
        target,
        what: format!("{}: {what}", file.display()),
        offsets: ANY_OFFSET,
        forgets_all_proof: false,
    }
}

/// One byte, or the same one of both slots: one slot alone is mended from the other.
fn witness(dir: &Path, chance: &mut Chance) -> Forgery {
    if chance.below(2) == 0 {
        return in_file(Target::Witness, dir, &["witness".into()], chance);
    }
    let path = dir.join("witness");
    let mut bytes = fs::read(&path).unwrap();
    let at = chance.below(STAMP_BYTES as u64) as usize;
    let (one, other) = bytes.split_at_mut(SLOT_BYTES);
    let what = format!("{}; {}", change(one, at, chance), change(other, at, chance));
    fs::write(path, bytes).unwrap();
    Forgery {
        target: Target::Witness,
        what: format!("both slots of the witness: {what}"),
        offsets: ANY_OFFSET,
        forgets_all_proof: false,
    }
}

fn change(bytes: &mut [u8], at: usize, chance: &mut Chance) -> String {
    let before = bytes[at];
    // A bit as often as a byte: bits are what disks and small lies change.
    let mask = if chance.below(2) == 0 {
        1 << chance.below(8)
    } else {
        1 + chance.below(255) as u8
    };
    bytes[at] ^= mask;
    format!(
        "byte {at} of {} from {before:#04x} to {:#04x}",
        bytes.len(),
        bytes[at]
    )
}

fn record(dir: &Path, chance: &mut Chance) -> Forgery {
    let mut frames = Frames::open(dir);
    let (frame, record) = frames.any(chance);
    let offsets = frames.offsets(frame);
    let bytes = &mut frames.frames[frame][record];
    // Not the offset: the forger's own tool lays it anew.
    let at = match chance.below(bytes.len() as u64 - 8) as usize {
        at if at < 12 => at,
        at => at + 8,
    };
    let what = change(bytes, at, chance);
    let what = format!("record {record} of frame {frame} ({offsets:?}): {what}");
    frames.put_back(dir);
    Forgery {
        target: Target::Record,
        what,
        offsets,
        forgets_all_proof: false,
    }
}

fn order(dir: &Path, chance: &mut Chance) -> Forgery {
    let mut frames = Frames::open(dir);
    let (one, other) = loop {
        let (one, other) = (frames.any(chance), frames.any(chance));
        if one.0 < other.0 {
            break (one, other);
        }
    };
    let offsets = *frames.offsets(one.0).start()..=*frames.offsets(other.0).end();
    let (left, right) = frames.frames.split_at_mut(other.0);
    let whole_frames = chance.below(2) == 0;
    let keeps_time = chance.below(4) > 0;
    if whole_frames && !keeps_time {
        std::mem::swap(&mut left[one.0], &mut right[0]);
    } else if whole_frames {
        // As many as the shorter has, so that each keeps its number of events.
        for (here, there) in left[one.0].iter_mut().zip(&mut right[0]) {
            swap_but_for_time(here, there);
        }
    } else if keeps_time {
        swap_but_for_time(&mut left[one.0][one.1], &mut right[0][other.1]);
    } else {
        std::mem::swap(&mut left[one.0][one.1], &mut right[0][other.1]);
    }
    frames.put_back(dir);
    Forgery {
        target: Target::Order,
        what: format!(
            "{one:?} and {other:?} (frame, record), whole frames {whole_frames}, times repaired {keeps_time}"
        ),
        offsets,
        forgets_all_proof: false,
    }
}

fn tail(dir: &Path, chance: &mut Chance) -> Forgery {
    let mut frames = Frames::open(dir);
    let head = frames.head();
    let keep = head - 1 - chance.below(head - 1);
    let mut left = keep as usize;
    for frame in &mut frames.frames {
        frame.truncate(left);
        left -= frame.len();
    }
    frames.frames.retain(|frame| !frame.is_empty());
    frames.put_back(dir);
    Forgery {
        target: Target::Tail,
        what: format!("{keep} of {head} events are left"),
        offsets: keep + 1..=head,
        forgets_all_proof: false,
    }
}

fn view_row(dir: &Path, chance: &mut Chance) -> Forgery {
    let mut files = files(dir, "snapshots");
    files.retain(|file| file.extension().is_some_and(|end| end == "snap"));
    let file = &files[chance.below(files.len() as u64) as usize];
    let mut bytes = fs::read(dir.join(file)).unwrap();
    let body = (bytes.len() - SNAPSHOT_HEADER_BYTES) as u64;
    let at = SNAPSHOT_HEADER_BYTES + chance.below(body) as usize;
    let what = change(&mut bytes, at, chance);
    let (header, rest) = bytes.split_at(SNAPSHOT_HEADER_BYTES - 4);
    let crc = crc32c::crc32c_append(crc32c::crc32c(header), &rest[4..]);
    bytes[SNAPSHOT_HEADER_BYTES - 4..SNAPSHOT_HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    fs::write(dir.join(file), bytes).unwrap();
    Forgery {
        target: Target::ViewRow,
        what: format!("{}: {what}", file.display()),
        offsets: ANY_OFFSET,
        forgets_all_proof: false,
    }
}

impl Frames {
    /// A frame and a record in it.
    fn any(&self, chance: &mut Chance) -> (usize, usize) {
        let frame = chance.below(self.frames.len() as u64) as usize;
        let record = chance.below(self.frames[frame].len() as u64) as usize;
        (frame, record)
    }
}

/// SplitMix64.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % end
    }
}
