//! `doorbook participant`: one person by the ticket's code, as they are or as they were.
//!
//! What happened to them is `history --participant`.

use clap::Args;
use doorbook::{events::ids::Code, projections::as_of::AsOf};

use crate::{
    failure::Failure,
    local::Local,
    output, participants,
    place::{Place, PlaceArgs},
    server::in_path,
};

/// One participant by the ticket's code, as they are or were
#[derive(Debug, Args)]
pub(crate) struct ParticipantArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[arg(value_parser = |text: &str| Code::parse(text))]
    code: Code,
    /// As they were right after this offset, or at this time (RFC 3339)
    #[arg(long, value_name = "WHEN")]
    as_of: Option<AsOf>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &ParticipantArgs) -> Result<(), Failure> {
    let participant = match args.place.place()? {
        Place::Directory(dir) => {
            let local = Local::open(&dir)?;
            let found = match args.as_of {
                None => local.ask(local.views.participant(&args.code))?,
                Some(as_of) => {
                    let at = local.moment(as_of)?;
                    local.ask(local.views.participant_as_of(&args.code, at))?
                }
            };
            local.close()?;
            let found = found.ok_or_else(|| {
                Failure::refused("unknown_code: nobody is or was registered with this code")
            })?;
            serde_json::to_value(found).map_err(Failure::check)?
        }
        Place::Server(server) => {
            let path = format!("/api/events/participants/{}/", in_path(args.code.as_str()));
            let as_of = args.as_of.map(|as_of| ("as_of", as_of.to_string()));
            server.get(&path, &as_of.into_iter().collect::<Vec<_>>())?
        }
    };
    if args.json {
        output::json(&participant)
    } else {
        output::data(participants::line(&participant))
    }
}
