//! `doorbook restore`: makes a data directory of a backup, and says what it applied. How is the library's
//! matter (`doorbook::backup`).

use std::path::PathBuf;

use clap::Args;
use doorbook::backup::{self, Restored, Wishes};
use serde_json::json;

use crate::{backup::failed, failure::Failure, output, progress::Progress};

/// Make a data directory of a backup
///
/// Into an empty or missing directory. Everything is checked before it may be served; an interrupted restore is run again. The
/// restored log has a new epoch, so that clients with older cursors are told to begin anew. Settings and the JWT secret are in no
/// backup.
///
/// Who was erased before the backup's last run is erased. For those erased later, name a newer list with --erased.
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The backup's directory
    source: PathBuf,
    /// The data directory to make
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Erase whom this names, too: a newer backup, a data directory, or the answer of /api/admin/backup/erased
    #[arg(long, value_name = "PATH")]
    erased: Option<PathBuf>,
    /// The master key, when it is kept apart from the backup
    #[arg(long, value_name = "FILE")]
    master_key: Option<PathBuf>,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &RestoreArgs) -> Result<(), Failure> {
    let newer = args.erased.as_deref().map(backup::erasures_of).transpose();
    let wishes = Wishes {
        master_key: args.master_key.clone(),
        erased: newer.map_err(failed)?.unwrap_or_default(),
    };
    let mut progress = Progress::start("restore", 0);
    let restored = backup::restore(&args.source, &args.data, &wishes, &mut |done, total| {
        progress.at(done, total);
    });
    progress.end(if restored.is_ok() {
        "checked"
    } else {
        "stopped"
    });
    show(args, &restored.map_err(failed)?)
}

fn show(args: &RestoreArgs, restored: &Restored) -> Result<(), Failure> {
    if args.json {
        return output::json(&json!({
            "head": restored.head,
            "backup_head": restored.backup_head,
            "taken_at": restored.taken_at,
            "epoch": restored.epoch,
            "erased": restored.erased,
            "erasures_added": restored.erasures_added,
            "checkpoint_key_missing": restored.checkpoint_key_missing,
        }));
    }
    output::say(format_args!(
        "{} holds everything up to offset {} of the backup taken at {}",
        args.data.display(),
        restored.backup_head,
        restored.taken_at.as_deref().unwrap_or("an unknown time")
    ));
    output::say(format_args!(
        "{} people in it are erased, {} of them after the copied history; its epoch is {}, so older cursors begin anew",
        restored.erased, restored.erasures_added, restored.epoch
    ));
    if restored.checkpoint_key_missing {
        output::say(
            "the key that signs checkpoints is not in the backup: none is signed until it is given with --checkpoint-key, or put back as integrity/key",
        );
    }
    output::say(
        "if the log had gone on after this backup, checkpoints of what is now missing contradict what comes next, and auditors who hold them will notice: tell them",
    );
    Ok(())
}
