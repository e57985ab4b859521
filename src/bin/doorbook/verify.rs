//! `doorbook verify`: reads the whole log of a closed directory, holds it against all that was kept of it,
//! folds its views anew, and opens what is sealed. Says what it covered; the first thing that is wrong is named with its offset,
//! and the exit code is 1.

use std::path::PathBuf;

use clap::Args;
use doorbook::{
    commands::verify_models::verify_models,
    events::log::Log,
    projections::{
        Views,
        integrity::check::{self, Auditors, Covered, Finding},
    },
};
use serde_json::json;

use crate::{
    failure::Failure,
    local, output,
    place::try_open_log,
    progress::Progress,
    verify_proof::{read, verifier_key},
};

/// Check the whole log and its views
///
/// Frames (checksums), events (each decodes), the chain of hashes, the witness outside the log, the Merkle tree over
/// the log (each record against the hash kept of it), every kept checkpoint, the views and the saved
/// write models against a fresh fold, and whether everybody who was not erased can be read.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The data directory; no server may hold it
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// A checkpoint that was kept elsewhere: whether what it covers was changed or cut since
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// The verifier key of --checkpoint, or a file with it; else one that has signed for this directory
    #[arg(long, value_name = "KEY", requires = "checkpoint")]
    key: Option<String>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &VerifyArgs) -> Result<(), Failure> {
    let auditors = args.auditors()?;
    let runtime = local::runtime()?;
    let _entered = runtime.enter();
    let log = match try_open_log(&args.data)? {
        Ok(log) => log,
        Err(error) => return Err(found(args, error.into())),
    };
    let covered = check_log(&log, auditors.as_ref()).map_err(|finding| found(args, finding))?;
    let readable = check_views(args, &log)?;
    let models = match verify_models(&log).map_err(Failure::check)? {
        Ok(compared) => compared,
        Err(difference) => {
            let finding = Finding {
                offset: Some(difference.offset),
                detail: difference.to_string(),
            };
            return Err(found(args, finding));
        }
    };
    log.close().map_err(Failure::unreachable)?;
    if args.json {
        return output::json(&json!({
            "frames": covered.log.frames,
            "events": covered.log.events,
            "gatherings": covered.log.gatherings,
            "witnessed": covered.log.witnessed,
            "chain": covered.log.chain,
            "hashed": covered.hashed,
            "root": covered.root_text(),
            "checkpoints": covered.checkpoints,
            "last_checkpoint": covered.last_checkpoint,
            "auditors_checkpoint": covered.auditors,
            "views": readable.views,
            "people": readable.people,
            "write_models": models,
        }));
    }
    say(&covered, &readable, models)
}

impl VerifyArgs {
    fn auditors(&self) -> Result<Option<Auditors>, Failure> {
        let Some(path) = &self.checkpoint else {
            return Ok(None);
        };
        let key = self.key.as_deref().map(verifier_key).transpose()?;
        Ok(Some(Auditors {
            note: read(path)?,
            key,
        }))
    }
}

fn check_log(log: &Log, auditors: Option<&Auditors>) -> Result<Covered, Finding> {
    let head = log.head();
    let mut progress = Progress::start("log", head);
    let checked = check::check(log, auditors, &mut |offset| progress.at(offset, head));
    progress.end(if checked.is_ok() { "read" } else { "stopped" });
    checked
}

/// What is read of the log, and what was sealed in it.
struct Readable {
    views: Vec<&'static str>,
    people: u64,
}

/// The views and the keys, all of which are right.
fn check_views(args: &VerifyArgs, log: &Log) -> Result<Readable, Failure> {
    let key = local::checkpoint_key()?;
    let views = Views::open_with(log.clone(), key).map_err(Failure::check)?;
    let mut progress = Progress::start("views", log.head());
    let difference = views.verify_views(|done, total| progress.at(done, total));
    progress.end(if difference.as_ref().is_ok_and(Option::is_none) {
        "folded"
    } else {
        "stopped"
    });
    let names = views.projections().iter().map(|view| view.name).collect();
    let people = views.verify_keys();
    views.close();
    let finding = match (difference.map_err(Failure::check)?, people) {
        (None, Ok(Ok(people))) => {
            return Ok(Readable {
                views: names,
                people,
            });
        }
        (Some(difference), _) => Finding {
            offset: Some(difference.offset),
            detail: format!(
                "{difference}; `doorbook rebuild-projection {}` mends it",
                difference.view
            ),
        },
        (None, Ok(Err(unreadable))) => Finding {
            offset: None,
            detail: unreadable.to_string(),
        },
        (None, Err(error)) => return Err(Failure::check(error)),
    };
    Err(found(args, finding))
}

/// The failure, after a program has been told where.
fn found(args: &VerifyArgs, finding: Finding) -> Failure {
    if args.json {
        let told = output::json(&json!({
            "first_bad_offset": finding.offset,
            "detail": finding.detail,
        }));
        if let Err(failure) = told {
            return failure;
        }
    }
    Failure::check(finding)
}

fn say(covered: &Covered, readable: &Readable, models: usize) -> Result<(), Failure> {
    let log = &covered.log;
    output::data(format_args!(
        "frames       {} whole (CRC32C), in order, none missing",
        log.frames
    ))?;
    output::data(format_args!(
        "events       {} decode, of {} gatherings, offsets without gaps",
        log.events, log.gatherings
    ))?;
    output::data(format_args!(
        "chain        each frame holds the hash of the one before; the last is {}",
        log.chain
    ))?;
    output::data(format_args!(
        "witness      agrees up to offset {}",
        log.witnessed
    ))?;
    output::data(format_args!(
        "tree         {} of {} records have the hash that was kept of them; the root is {}",
        covered.hashed,
        log.events,
        covered.root_text()
    ))?;
    output::data(format_args!(
        "checkpoints  {} kept ones are signed and agree, the last at offset {}",
        covered.checkpoints, covered.last_checkpoint
    ))?;
    if let Some(size) = covered.auditors {
        output::data(format_args!(
            "auditor      nothing that the auditor's checkpoint covers was changed or cut: {size} events"
        ))?;
    }
    output::data(format_args!(
        "views        equal to a fresh fold at offset {}: {}",
        log.events,
        readable.views.join(", ")
    ))?;
    output::data(format_args!(
        "keys         {} people who were not erased can be read",
        readable.people
    ))?;
    output::data(format_args!(
        "decisions    {models} saved write models are what the log gives"
    ))
}
