//! Opening a data directory: lock, witness, sled, one pass over everything, then the threads.

use std::{
    fs::{File, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicU64},
};

use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use super::{
    Log, OpenError, OpenReport, copy,
    recent::Recent,
    scan::{Scan, Scanned, damaged},
    sequencer::Sequencer,
    sled_store::{SledStore, StoreFailure},
    store::FrameStore,
    threads::Threads,
    witness::{self, Found, Witness},
    writer::Shared,
};
use crate::events::{
    ids::Epoch,
    keys::{KeyError, Keys},
    snapshot::Snapshots,
};

pub(super) fn open(data_dir: &Path) -> Result<(Log, OpenReport), OpenError> {
    if data_dir.join(copy::MARKER).exists() {
        return Err(OpenError::Incomplete {
            dir: data_dir.display().to_string(),
        });
    }
    open_marked(data_dir)
}

/// Although a copy into it may not have ended.
pub(super) fn open_marked(data_dir: &Path) -> Result<(Log, OpenReport), OpenError> {
    make_dir(data_dir)?;
    let lock = lock(data_dir)?;
    let keys = Keys::open(&data_dir.join("keys"))?;
    let witness_path = data_dir.join("witness");
    let found =
        witness::read(&witness_path).map_err(|error| OpenError::io(&witness_path, error))?;
    if let Found::Newer(format) = found {
        return Err(OpenError::Newer {
            dir: data_dir.display().to_string(),
            what: format!(
                "its witness has format {format}, this one reads up to {}",
                witness::FORMAT
            ),
        });
    }
    let mut report = OpenReport::default();
    let store = open_store(&data_dir.join("log"), lock, &found, &mut report)?;
    let Scanned { scan, torn } =
        Scan::run(&store, found.stamp()).map_err(|error| in_dir(error, data_dir))?;
    report.head = scan.head;
    let mut witness = match &found {
        Found::Stamp(stamp, _) => Witness::open(&witness_path, *stamp),
        Found::Missing if scan.head == 0 && torn.is_none() && !keys.any_on_disk() => {
            Witness::create(&witness_path, Epoch::generate())
        }
        Found::Missing => return Err(unwitnessed("missing")),
        Found::Damaged | Found::Newer(_) => return Err(unwitnessed("damaged")),
    }
    .map_err(|error| OpenError::io(&witness_path, error))?;
    if let Some(first) = torn {
        store.cut(first).map_err(OpenError::Store)?;
        report.cut_from = Some(first);
    }
    // What a killed process wrote may lie in the page cache only; the witness must not vouch for it
    // before it would outlive a power cut.
    store.sync().map_err(OpenError::Store)?;
    mend_witness(&mut witness, &found, &scan, &mut report)
        .map_err(|error| OpenError::io(&witness_path, error))?;
    for (gathering, subjects) in scan.erased_by_gathering() {
        // A crash may have come between the fact and the deed.
        match keys.destroy_all(gathering, &subjects) {
            // Nobody can be read with such a file, and the others' gatherings are whole.
            Err(error @ KeyError::Damaged { .. }) => {
                tracing::error!(%error, "the keys of those who were erased may still be there");
            }
            destroyed => destroyed?,
        }
    }
    let epoch = witness.epoch();
    let snapshots = Snapshots::open(&data_dir.join("snapshots"), epoch)
        .map_err(|error| OpenError::Store(error.to_string()))?;
    let witness = Some((witness, witness_path));
    let log = start(scan, Arc::new(store), keys, witness, snapshots, epoch)
        .map_err(|error| OpenError::io(data_dir, error))?;
    Ok((log, report))
}

/// A log over any store, with nothing else on disk.
pub(super) fn over(store: Arc<dyn FrameStore>) -> Result<Log, OpenError> {
    let Scanned { scan, .. } = Scan::run(&*store, None)?;
    let (keys, snapshots) = (Keys::in_memory(), Snapshots::none());
    start(scan, store, keys, None, snapshots, Epoch::generate())
        .map_err(|error| OpenError::io(Path::new("memory"), error))
}

fn make_dir(data_dir: &Path) -> Result<(), OpenError> {
    copy::make_private(data_dir).map_err(|error| OpenError::io(data_dir, error))
}

/// sled's files, where there are none yet.
pub(super) fn open_new_store(log_dir: &Path, lock: File) -> Result<SledStore, OpenError> {
    open_store(log_dir, lock, &Found::Missing, &mut OpenReport::default())
}

/// Held until the store is dropped.
pub(super) fn lock(data_dir: &Path) -> Result<File, OpenError> {
    let path = data_dir.join("doorbook.lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(|error| OpenError::io(&path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse {
            dir: data_dir.display().to_string(),
        }),
        Err(TryLockError::Error(error)) => Err(OpenError::io(&path, error)),
    }
}

fn open_store(
    log_dir: &Path,
    lock: File,
    found: &Found,
    report: &mut OpenReport,
) -> Result<SledStore, OpenError> {
    let witnessed = found.stamp().map_or(0, |stamp| stamp.offset);
    if witnessed > 0 && !log_dir.join("db").exists() {
        let detail = format!(
            "{} is missing; offset {witnessed} was durable",
            log_dir.display()
        );
        return Err(damaged(1, detail));
    }
    SledStore::open(log_dir, lock, &mut report.mended).map_err(|failure| match failure {
        StoreFailure::Io(source) => OpenError::io(log_dir, source),
        StoreFailure::Damage(reason) => damaged(
            1,
            format!("sled cannot open its files: {reason}; offset {witnessed} was durable"),
        ),
    })
}

fn unwitnessed(how: &str) -> OpenError {
    damaged(
        1,
        format!("the file `witness` is {how}, so nothing tells whether the log is whole"),
    )
}

fn in_dir(error: OpenError, data_dir: &Path) -> OpenError {
    match error {
        OpenError::Newer { what, .. } => OpenError::Newer {
            dir: data_dir.display().to_string(),
            what,
        },
        error => error,
    }
}

/// Brings the witness up to the log, so that no window is left from before.
fn mend_witness(
    witness: &mut Witness,
    found: &Found,
    scan: &Scan,
    report: &mut OpenReport,
) -> io::Result<()> {
    let Found::Stamp(stamp, both) = found else {
        return Ok(());
    };
    if !both {
        report.mended.push(
            "rewrote one of the two slots of the file `witness`, which was damaged".to_owned(),
        );
        witness.stamp(scan.head, scan.chain)?;
        witness.stamp(scan.head, scan.chain)?;
    } else if stamp.offset < scan.head {
        witness.stamp(scan.head, scan.chain)?;
    }
    Ok(())
}

fn start(
    scan: Scan,
    store: Arc<dyn FrameStore>,
    keys: Keys,
    witness: Option<(Witness, PathBuf)>,
    snapshots: Snapshots,
    epoch: Epoch,
) -> io::Result<Log> {
    let shared = Arc::new(Shared {
        sequencer: Sequencer::new(scan.head, scan.last_recorded_at),
        keys,
        recent: Recent::default(),
        index: RwLock::new(scan.index),
        codes: Mutex::new(scan.codes),
        erased: Mutex::new(scan.erased),
        head: watch::Sender::new(scan.head),
        store: RwLock::new(Some(store)),
        frames: AtomicU64::new(scan.frames),
        last_commit_us: AtomicU64::new(0),
    });
    let threads = Threads::start(&shared, scan.chain, witness)?;
    Ok(Log {
        threads: Arc::new(threads),
        shared,
        snapshots,
        epoch,
    })
}
