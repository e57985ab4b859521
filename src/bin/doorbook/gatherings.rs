//! `doorbook gatherings`: all of them, or one, as it is or as it was.
//!
//! Who takes part is `participants`, who came when is `arrivals`.

use clap::Args;
use doorbook::{
    events::ids::GatheringId,
    projections::{
        as_of::AsOf,
        dashboard::Row,
        overview::{Gathering, Member},
        views::ViewError,
    },
};
use serde_json::Value;

use crate::{
    entries::{printable, text},
    failure::Failure,
    local::Local,
    output,
    place::{Place, PlaceArgs},
    server::Server,
};

/// Gatherings asked of a server at a time.
const PAGE_GATHERINGS: u64 = 1_000;

/// The gatherings with their counts, or one as it is or was
#[derive(Debug, Args)]
pub(crate) struct GatheringsArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// This one only
    #[arg(value_name = "ID")]
    event: Option<GatheringId>,
    /// As it was right after this offset, or at this time (RFC 3339)
    #[arg(long, value_name = "WHEN", requires = "event")]
    as_of: Option<AsOf>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &GatheringsArgs) -> Result<(), Failure> {
    let each = |gathering: &Value| {
        if args.json {
            output::json(gathering)
        } else {
            output::data(line(gathering))
        }
    };
    match args.place.place()? {
        Place::Directory(dir) => {
            let local = Local::open(&dir)?;
            from_directory(&local, args, each)?;
            local.close()
        }
        Place::Server(server) => from_server(&server, args, each),
    }
}

fn from_directory(
    local: &Local,
    args: &GatheringsArgs,
    each: impl Fn(&Value) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let show = |gathering: &Gathering| {
        let gathering = serde_json::to_value(gathering).map_err(Failure::check)?;
        each(&gathering)
    };
    let Some(id) = args.event else {
        let mut rows = local.views.rows();
        rows.sort_unstable_by_key(|row| row.id);
        return rows.iter().try_for_each(|row| show(&with_team(row)));
    };
    match args.as_of {
        None => {
            let row = local.views.row(id);
            let row = row.ok_or_else(|| Failure::check(ViewError::UnknownGathering))?;
            show(&with_team(&row))
        }
        Some(as_of) => {
            let at = local.moment(as_of)?;
            let then = local.ask(local.views.gathering_as_of(id, at))?;
            let team = local.ask(local.views.team_as_of(id, at))?;
            show(&Gathering {
                team: Some(team),
                ..then
            })
        }
    }
}

fn with_team(row: &Row) -> Gathering {
    Gathering {
        team: Some(row.team.iter().map(Member::from).collect()),
        ..Gathering::of(row)
    }
}

fn from_server(
    server: &Server,
    args: &GatheringsArgs,
    each: impl Fn(&Value) -> Result<(), Failure>,
) -> Result<(), Failure> {
    // A directory knows no caller, and both places show the same.
    let each = |gathering: &Value| {
        let mut gathering = gathering.clone();
        if let Some(fields) = gathering.as_object_mut() {
            fields.remove("your_role");
        }
        each(&gathering)
    };
    if let Some(id) = args.event {
        let as_of = args.as_of.map(|as_of| ("as_of", as_of.to_string()));
        let query: Vec<_> = as_of.into_iter().collect();
        return each(&server.get(&format!("/api/events/{id}/"), &query)?);
    }
    let query = vec![("limit", PAGE_GATHERINGS.to_string())];
    server.pages("/api/events/", query, |page| page.iter().try_for_each(each))
}

/// `0197… 2026-05-01T18:00:00Z  120 registered, 80 came, 75 inside  Gala`.
fn line(gathering: &Value) -> String {
    let mut line = format!(
        "{} {:<20} {:>7} registered {:>7} came {:>7} inside  ",
        text(gathering, "id"),
        text(gathering, "start_date"),
        gathering["participant_count"].to_string(),
        gathering["checked_in_count"].to_string(),
        gathering["inside_count"].to_string(),
    );
    line.extend(text(gathering, "name").chars().map(printable));
    line
}
