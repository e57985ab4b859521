//! `doorbook verify`: reads the whole log of a closed directory and folds its views anew. Says what it covered;
//! the first thing that is wrong is named with its offset, and the exit code is 1.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::{failure::Failure, local, output, place::open_log, progress::Progress};
use doorbook::projections::Views;

/// Check the whole log and its views
///
/// Frames (checksums), events (each decodes), the chain of hashes, the witness outside the log, and the views against a fresh fold.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The data directory; no server may hold it
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &VerifyArgs) -> Result<(), Failure> {
    let runtime = local::runtime()?;
    let _entered = runtime.enter();
    let log = open_log(&args.data)?;
    let head = log.head();

    let mut progress = Progress::start("log", head);
    let verified = log.verify(&mut |offset| progress.at(offset, head));
    progress.end(if verified.is_ok() { "read" } else { "stopped" });
    let covered = verified.map_err(Failure::check)?;

    let views = Views::open(log.clone()).map_err(Failure::check)?;
    let mut progress = Progress::start("views", head);
    let difference = views.verify_views(|done, total| progress.at(done, total));
    progress.end(if difference.as_ref().is_ok_and(Option::is_none) {
        "folded"
    } else {
        "stopped"
    });
    let difference = difference.map_err(Failure::check)?;
    let names: Vec<&str> = views
        .projections()
        .into_iter()
        .map(|view| view.name)
        .collect();
    views.close();
    log.close().map_err(Failure::unreachable)?;
    if let Some(difference) = difference {
        return Err(Failure::refused(format!(
            "{difference}; `doorbook rebuild-projection {}` mends it",
            difference.view
        )));
    }

    if args.json {
        return output::json(&json!({
            "frames": covered.frames,
            "events": covered.events,
            "gatherings": covered.gatherings,
            "witnessed": covered.witnessed,
            "chain": covered.chain,
            "views": names,
        }));
    }
    output::data(format_args!(
        "frames     {} whole (CRC32C), in order, none missing",
        covered.frames
    ))?;
    output::data(format_args!(
        "events     {} decode, of {} gatherings, offsets without gaps",
        covered.events, covered.gatherings
    ))?;
    output::data(format_args!(
        "chain      each frame holds the hash of the one before; the last is {}",
        covered.chain
    ))?;
    output::data(format_args!(
        "witness    agrees up to offset {}",
        covered.witnessed
    ))?;
    output::data(format_args!(
        "views      equal to a fresh fold at offset {head}: {}",
        names.join(", ")
    ))
}
