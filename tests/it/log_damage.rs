//! A closed log whose files are damaged at random opens with its whole history or not at all.
//!
//! More cases: `DOORBOOK_DAMAGE_CASES`; the same ones again: `DOORBOOK_DAMAGE_SEED`.

use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use doorbook::events::{
    log::{Log, OpenError},
    recorded::Recorded,
};

use crate::log_history::{copy_dir, data_dir, files_below, read_all, write_history};

const EVENTS: usize = 2_000;
const THREADS: u64 = 2;

#[test]
fn damage_is_refused_or_harmless_and_never_a_different_history() {
    let cases = from_env("DOORBOOK_DAMAGE_CASES").unwrap_or(200);
    let seed = from_env("DOORBOOK_DAMAGE_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        u64::from(now.subsec_nanos())
    });
    println!("DOORBOOK_DAMAGE_SEED={seed}");
    let original = data_dir();
    let history = {
        let (log, _) = Log::open(original.path()).unwrap();
        write_history(&log, EVENTS);
        log.close().unwrap();
        let (log, _) = Log::open(original.path()).unwrap();
        read_all(&log)
    };
    assert_eq!(history.len(), EVENTS);
    let (original, history) = (original.path(), &history);
    let outcomes: Vec<Outcome> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn(move || {
                    (thread..cases)
                        .step_by(THREADS as usize)
                        .map(|case| one_case(original, history, seed.wrapping_add(case)))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    let refused = outcomes
        .iter()
        .filter(|outcome| **outcome == Outcome::Refused)
        .count();
    println!("{refused} of {cases} refused, the others whole");
    assert!(cases < 100 || (refused > 0 && refused < outcomes.len()));
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Whole,
    Refused,
}

fn one_case(original: &Path, history: &[Arc<Recorded>], seed: u64) -> Outcome {
    let copy = data_dir();
    copy_dir(original, copy.path()).unwrap();
    let mut random = Random(seed);
    let damages: Vec<Damage> = (0..=random.below(2))
        .map(|_| Damage::at_random(copy.path(), &mut random))
        .collect();
    for damage in &damages {
        damage.apply(copy.path());
    }
    let case = format!("seed {seed}: {damages:?}");
    match Log::open(copy.path()) {
        Ok((log, report)) => {
            assert_eq!(report.cut_from, None, "all was witnessed; {case}");
            assert!(read_all(&log) == history, "another history; {case}");
            assert_eq!(
                log.verify(&mut |_| {}).unwrap().events,
                EVENTS as u64,
                "{case}"
            );
            Outcome::Whole
        }
        Err(OpenError::Damaged { offset, remedy, .. }) => {
            assert!((1..=EVENTS as u64 + 1).contains(&offset), "{case}");
            assert!(!remedy.is_empty(), "{case}");
            if seed.is_multiple_of(8) {
                assert!(Log::open(copy.path()).is_err(), "it stays refused; {case}");
            }
            Outcome::Refused
        }
        Err(other) => panic!("{other}; {case}"),
    }
}

#[derive(Clone)]
struct Damage {
    file: PathBuf,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    FlipBit {
        byte: usize,
        bit: u32,
    },
    CutAt(usize),
    Zero {
        from: usize,
        bytes: usize,
    },
    Noise {
        from: usize,
        bytes: usize,
        seed: u64,
    },
}

impl fmt::Debug for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.file.display(), self.kind)
    }
}

impl Damage {
    /// Mostly to the log's data, and mostly where it is not zeros anyway.
    fn at_random(dir: &Path, random: &mut Random) -> Self {
        let mut files = files_below(&dir.join("log")).unwrap();
        for file in &mut files {
            *file = Path::new("log").join(&*file);
        }
        files.push("witness".into());
        let file = if random.below(2) == 0 {
            PathBuf::from("log/db")
        } else {
            files.swap_remove(random.below(files.len()))
        };
        let content = fs::read(dir.join(&file)).unwrap();
        let used = content
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(1, |at| at + 1);
        let range = if random.below(10) == 0 {
            content.len().max(1)
        } else {
            used
        };
        let at = random.below(range);
        let kind = match random.below(4) {
            0 => Kind::CutAt(at),
            1 => Kind::Zero {
                from: at,
                bytes: 1 << random.below(14),
            },
            2 => Kind::Noise {
                from: at,
                bytes: 1 << random.below(12),
                seed: random.next(),
            },
            _ => Kind::FlipBit {
                byte: at,
                bit: random.below(8) as u32,
            },
        };
        Self { file, kind }
    }

    fn apply(&self, dir: &Path) {
        let path = dir.join(&self.file);
        let mut content = fs::read(&path).unwrap();
        let length = content.len();
        let within = |from: usize, bytes: usize| from.min(length)..(from + bytes).min(length);
        match self.kind {
            Kind::FlipBit { byte, bit } => {
                if let Some(byte) = content.get_mut(byte) {
                    *byte ^= 1 << bit;
                }
            }
            Kind::CutAt(at) => content.truncate(at),
            Kind::Zero { from, bytes } => content[within(from, bytes)].fill(0),
            Kind::Noise { from, bytes, seed } => {
                let mut random = Random(seed);
                content[within(from, bytes)].fill_with(|| random.next() as u8);
            }
        }
        fs::write(&path, content).unwrap();
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

fn from_env(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}
