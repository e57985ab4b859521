//! `doorbook checkpoint`: the log's signed head, for somebody to keep elsewhere, or the key that checks it.

use clap::Args;

use crate::{
    failure::Failure,
    local::Local,
    output,
    place::{Place, PlaceArgs},
};

/// The log's signed head, to keep elsewhere
///
/// `doorbook verify --checkpoint FILE` says later whether what it covers was changed or cut.
#[derive(Debug, Args)]
pub(crate) struct CheckpointArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Over the log's first so many events
    #[arg(long, value_name = "N")]
    size: Option<u64>,
    /// Print the key that checks signatures instead
    #[arg(long, conflicts_with = "size")]
    verifier_key: bool,
}

pub(crate) fn run(args: &CheckpointArgs) -> Result<(), Failure> {
    let text = match args.place.place()? {
        Place::Directory(dir) => {
            let local = Local::open(&dir)?;
            let text = said_by(&local, args)?;
            local.close()?;
            text
        }
        Place::Server(server) if args.verifier_key => server.text("/api/log/key", &[])?,
        Place::Server(server) => {
            let size = args.size.map(|size| ("size", size.to_string()));
            server.text("/api/log/checkpoint", size.as_slice())?
        }
    };
    output::text(&text)
}

fn said_by(local: &Local, args: &CheckpointArgs) -> Result<String, Failure> {
    let views = &local.views;
    if args.verifier_key {
        let key = views.verifier_key().map_err(Failure::check)?;
        return Ok(format!("{key}\n"));
    }
    let signed = local.runtime.block_on(async {
        match args.size {
            Some(size) => views.checkpoint_at(size).await,
            None => views.checkpoint().await,
        }
    });
    Ok(signed.map_err(Failure::check)?.note)
}
