//! `doorbook participants`: who is registered for a gathering and where they are, now or as of an earlier moment.
//!
//! One person by the ticket's code is `participant`.

use clap::{Args, ValueEnum};
use doorbook::{
    events::ids::GatheringId,
    projections::{
        as_of::AsOf,
        views::{ParticipantFilter, ParticipantsQuery},
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

/// Participants of one page.
const PAGE_PARTICIPANTS: usize = 1_000;

/// Who is registered for a gathering, and where they are or were
#[derive(Debug, Args)]
pub(crate) struct ParticipantsArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// The gathering
    #[arg(value_name = "ID")]
    event: GatheringId,
    /// Parts of names in any order, of the e-mail or the code
    #[arg(long, value_name = "TEXT")]
    q: Option<String>,
    #[arg(long, value_enum)]
    status: Option<Status>,
    /// As they were right after this offset, or at this time (RFC 3339)
    #[arg(long, value_name = "WHEN")]
    as_of: Option<AsOf>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Status {
    Registered,
    Cancelled,
    Erased,
    Inside,
    Outside,
}

pub(crate) fn run(args: &ParticipantsArgs) -> Result<(), Failure> {
    let each = |participant: &Value| {
        if args.json {
            output::json(participant)
        } else {
            output::data(line(participant))
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
    args: &ParticipantsArgs,
    each: impl Fn(&Value) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let views = &local.views;
    let at = args.as_of.map(|as_of| local.moment(as_of)).transpose()?;
    let mut query = ParticipantsQuery {
        q: args.q.clone(),
        status: args.status.map(Status::filter),
        after: None,
        limit: PAGE_PARTICIPANTS,
    };
    loop {
        let page = match at {
            None => local.ask(views.participants(args.event, query.clone()))?,
            Some(at) => local.ask(views.participants_as_of(args.event, query.clone(), at))?,
        };
        for participant in &page.results {
            each(&serde_json::to_value(participant).map_err(Failure::check)?)?;
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(()),
        }
    }
}

fn from_server(
    server: &Server,
    args: &ParticipantsArgs,
    each: impl Fn(&Value) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut query = vec![("limit", PAGE_PARTICIPANTS.to_string())];
    query.extend(args.q.clone().map(|q| ("q", q)));
    query.extend((args.status).map(|status| ("status", status.word().to_owned())));
    query.extend((args.as_of).map(|as_of| ("as_of", as_of.to_string())));
    let path = format!("/api/events/{}/participants/", args.event);
    server.pages(&path, query, |page| page.iter().try_for_each(&each))
}

/// `FAIR-0001-DC  registered  inside   1  @north  Zoë Invented <zoe@example.org>`.
pub(crate) fn line(participant: &Value) -> String {
    let is_inside = participant["checked_in"].as_bool().unwrap_or_default();
    let user = &participant["user"];
    let mut line = String::new();
    let code = text(participant, "event_pax_id").chars().map(printable);
    line.extend(code);
    line.push_str(&format!(
        " {:<10} {:<7} {:>3}",
        text(participant, "status"),
        if is_inside { "inside" } else { "outside" },
        participant["entries"].to_string(),
    ));
    let mut add = |before: &str, word: &str, behind: &str| {
        if !word.is_empty() {
            line.push_str(before);
            line.extend(word.chars().map(printable));
            line.push_str(behind);
        }
    };
    add(" @", text(participant, "last_gate"), "");
    add("  ", text(user, "first_name"), "");
    add(" ", text(user, "last_name"), "");
    add(" <", text(user, "email"), ">");
    line
}

impl Status {
    const fn filter(self) -> ParticipantFilter {
        match self {
            Self::Registered => ParticipantFilter::Registered,
            Self::Cancelled => ParticipantFilter::Cancelled,
            Self::Erased => ParticipantFilter::Erased,
            Self::Inside => ParticipantFilter::Inside,
            Self::Outside => ParticipantFilter::Outside,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Cancelled => "cancelled",
            Self::Erased => "erased",
            Self::Inside => "inside",
            Self::Outside => "outside",
        }
    }
}
