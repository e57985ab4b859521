//! `doorbook proof`: that an event is in the log, or that the log of today begins with an earlier one; for
//! `doorbook verify-proof`, which needs neither the log nor its server.

use clap::Args;

use crate::{
    failure::Failure,
    local::Local,
    output,
    place::{Place, PlaceArgs},
};

/// A proof that an event is in the log
///
/// Prints a file for `doorbook verify-proof`. It carries the event's record, its place, and the signed head.
#[derive(Debug, Args)]
pub(crate) struct ProofArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// The event's offset
    #[arg(required_unless_present = "from")]
    offset: Option<u64>,
    /// Against the checkpoint over the log's first so many events
    #[arg(long, value_name = "N", conflicts_with = "from")]
    size: Option<u64>,
    /// Instead, that the log begins with what a checkpoint of this size covered
    #[arg(long, value_name = "SIZE", conflicts_with = "offset")]
    from: Option<u64>,
    /// With --from: the size up to which
    #[arg(long, value_name = "SIZE", requires = "from")]
    to: Option<u64>,
}

pub(crate) fn run(args: &ProofArgs) -> Result<(), Failure> {
    if args.from == Some(0) {
        return Err(Failure::usage("--from must be at least 1"));
    }
    match args.place.place()? {
        Place::Directory(dir) => {
            let local = Local::open(&dir)?;
            let text = said_by(&local, args)?;
            local.close()?;
            output::text(&text)
        }
        Place::Server(server) => {
            if let Some(from) = args.from {
                let sizes = [("from", Some(from)), ("to", args.to)];
                let answer = server.get("/api/log/consistency", &given(&sizes))?;
                return output::json(&answer);
            }
            let path = format!("/api/log/proof/{}", args.offset.unwrap_or_default());
            output::text(&server.text(&path, &given(&[("size", args.size)]))?)
        }
    }
}

fn said_by(local: &Local, args: &ProofArgs) -> Result<String, Failure> {
    let views = &local.views;
    local.runtime.block_on(async {
        if let Some(from) = args.from {
            let proof = views.consistency(from, args.to).await;
            let json = serde_json::to_string(&proof.map_err(Failure::check)?);
            return json.map(|json| json + "\n").map_err(Failure::check);
        }
        let offset = args.offset.unwrap_or_default();
        let proof = views.inclusion(offset, args.size).await;
        Ok(proof.map_err(Failure::check)?.text())
    })
}

fn given(parameters: &[(&'static str, Option<u64>)]) -> Vec<(&'static str, String)> {
    (parameters.iter())
        .filter_map(|(name, value)| Some((*name, (*value)?.to_string())))
        .collect()
}
