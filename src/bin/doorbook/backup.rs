//! `doorbook backup`: copies the log and its keys into a directory, of a running server or of a closed data
//! directory. What a backup is made of is the library's matter (`doorbook::backup`).

use std::path::PathBuf;

use clap::Args;
use doorbook::{
    backup::{BackupError, Manifest, Writing},
    events::{
        keys::{CHECKPOINT_KEY, MASTER},
        time::Timestamp,
    },
};
use serde_json::json;

use crate::{failure::Failure, output, place::PlaceArgs, progress::Progress, source::Source};

/// Copy the log and its keys, while the server serves; the next run adds what is new
///
/// What is copied is checked, written, synced and read back. A run that is interrupted goes on where it was. `doorbook
/// restore` makes a data directory of it.
///
/// Whoever has the backup can read all personal data in it, unless the master key is kept apart (--without-master-key).
/// People who are erased lose their key in the backup with its next run. Copies of the backup made elsewhere before that still
/// hold it: restore those with --erased, or keep the master key away from them.
#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// The backup's directory, made when missing
    dest: PathBuf,
    /// Leave the master key out, and the key that signs checkpoints: keep the data directory's keys/master and integrity/key elsewhere,
    /// and give the first to restore
    #[arg(long)]
    without_master_key: bool,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &BackupArgs) -> Result<(), Failure> {
    let source = Source::open(args.place.place()?)?;
    let done = take(args, &source);
    let closed = source.close();
    let (before, manifest) = done?;
    closed?;
    show(args, before, &manifest)
}

/// The backup, and up to which offset there was one before.
fn take(args: &BackupArgs, source: &Source) -> Result<(u64, Manifest), Failure> {
    let state = source.state(0)?;
    let mut writing = Writing::open(&args.dest, state.epoch).map_err(failed)?;
    let (before, went_on) = (writing.finished(), writing.head());
    let at = source.state(went_on)?;
    writing.same_history(at.chain.as_deref()).map_err(failed)?;
    // Frames up to here, then the keys, then who was erased: see the library's preface.
    let head = at.head;
    let mut progress = Progress::start("backup", head);
    let copied = frames(source, &mut writing, head, &mut progress);
    progress.end(if copied.is_ok() { "copied" } else { "stopped" });
    copied?;
    let mut keys = source.keys()?;
    if args.without_master_key {
        keys.retain(|key| key.name != MASTER && key.name != CHECKPOINT_KEY);
    }
    let erased = source.erased()?;
    let taken_at = Timestamp::now().to_string();
    let manifest = writing.finish(&keys, erased, taken_at).map_err(failed)?;
    Ok((before, manifest))
}

fn frames(
    source: &Source,
    writing: &mut Writing,
    head: u64,
    progress: &mut Progress,
) -> Result<(), Failure> {
    while writing.head() < head {
        let page = source.frames(writing.head(), head)?;
        if page.is_empty() {
            return Err(Failure::refused(format!(
                "the log ends at offset {}, before {head}",
                writing.head()
            )));
        }
        writing.frames(&page).map_err(failed)?;
        progress.at(writing.head(), head);
    }
    Ok(())
}

fn show(args: &BackupArgs, before: u64, manifest: &Manifest) -> Result<(), Failure> {
    let master_key = manifest
        .keys
        .iter()
        .flat_map(|keys| &keys.files)
        .any(|key| key.file == MASTER);
    if args.json {
        return output::json(&json!({
            "head": manifest.head,
            "added": manifest.head - before,
            "epoch": manifest.epoch,
            "segments": manifest.segments.len(),
            "erased": manifest.erased.len(),
            "master_key": master_key,
            "taken_at": manifest.taken_at,
        }));
    }
    output::say(format_args!(
        "{} holds everything up to offset {}, {} events of it new; {} people in it are erased",
        args.dest.display(),
        manifest.head,
        manifest.head - before,
        manifest.erased.len()
    ));
    output::say(if master_key {
        "it holds the master key: keep it as safe as the data directory"
    } else {
        "the master key is not in it, nor the key that signs checkpoints: without keys/master of the data directory nobody restores it, and without integrity/key what is restored signs none"
    });
    Ok(())
}

/// What is wrong with bytes is a failed check; a place that cannot be used is not.
pub(crate) fn failed(error: BackupError) -> Failure {
    match error {
        BackupError::Damaged { .. }
        | BackupError::Source(_)
        | BackupError::OtherHistory { .. }
        | BackupError::Unfinished { .. }
        | BackupError::WrongMasterKey(_) => Failure::check(error),
        BackupError::Foreign { .. } | BackupError::NoManifest { .. } | BackupError::NoMasterKey => {
            Failure::usage(error.to_string())
        }
        BackupError::Log(error) => crate::place::not_opened(error),
        BackupError::Io { .. } | BackupError::InUse { .. } | BackupError::Newer(_) => {
            Failure::unreachable(error)
        }
    }
}
