//! `doorbook history`: who did what, where and when, refusals and undone scans included.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use doorbook::{
    events::{ids::GatheringId, time::Timestamp},
    http::exports::Format,
    projections::views::HistoryQuery,
};
use serde_json::Value;

use crate::{
    arrivals, entries,
    failure::Failure,
    history_file::FileArgs,
    local::Local,
    output,
    place::{Place, PlaceArgs},
    server::Server,
};

/// Entries asked of a server at a time.
const PAGE_ENTRIES: u64 = 1_000;

/// Who did what, where and when
#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Of this gathering only
    #[arg(long, value_name = "ID")]
    event: Option<GatheringId>,
    /// About this participant: an id or a code
    #[arg(long, value_name = "CODE")]
    participant: Option<String>,
    /// By this user
    #[arg(long, value_name = "USER")]
    actor: Option<String>,
    #[arg(long)]
    gate: Option<String>,
    /// Of this type: `participant_checked_in`, `scan_refused`, …
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Recorded at or after this time
    #[arg(long, value_name = "TIME", value_parser = Timestamp::parse)]
    since: Option<Timestamp>,
    /// Recorded before this time
    #[arg(long, value_name = "TIME", value_parser = Timestamp::parse)]
    until: Option<Timestamp>,
    /// Start after this offset
    #[arg(long, value_name = "OFFSET", default_value_t = 0)]
    after: u64,
    /// At most so many entries
    #[arg(long)]
    limit: Option<u64>,
    #[arg(long, value_enum, default_value_t = Form::Table)]
    format: Form,
    /// One entry a line, and nothing else
    #[arg(long, conflicts_with = "format")]
    json: bool,
    #[command(flatten)]
    file: FileArgs,
    /// Draw the arrivals of --event into this file as SVG; --since and --until are then times at the door
    #[arg(long, value_name = "FILE", requires = "event",
        conflicts_with_all = ["participant", "actor", "gate", "kind", "after", "limit", "format", "json"])]
    plot: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Lines for people
    #[value(alias = "text")]
    Table,
    /// One array
    Json,
    Csv,
    Xlsx,
    /// One entry a line
    Ndjson,
}

pub(crate) fn run(args: &HistoryArgs) -> Result<(), Failure> {
    if let (Some(file), Some(event)) = (&args.plot, args.event) {
        let span = arrivals::Span::between(args.since, args.until);
        return arrivals::plot(args.place.place()?, event, &span, file);
    }
    let format = match args.format {
        Form::Table | Form::Json if args.file.wants_a_file() => {
            return Err(Failure::usage(
                "--columns, --tz, --bom, --no-trailer and --out go with --format csv, xlsx or ndjson",
            ));
        }
        Form::Table if args.json => return entries_of(args, output::json),
        Form::Table => return entries_of(args, |entry| output::data(entries::line(entry))),
        Form::Json => return array(args),
        Form::Csv => Format::Csv,
        Form::Xlsx => Format::Xlsx,
        Form::Ndjson => Format::Ndjson,
    };
    let shape = args.file.shape(format)?;
    match args.place.place()? {
        Place::Directory(dir) => {
            let local = Local::open(&dir)?;
            (args.file).write_here(&local, args.query(), args.limit, &shape)?;
            local.close()
        }
        Place::Server(server) => {
            let mut query = args.filters();
            query.push(("after", args.after.to_string()));
            query.extend(args.limit.map(|limit| ("limit", limit.to_string())));
            args.file.fetch(&server, &args.path(), query, format)
        }
    }
}

fn array(args: &HistoryArgs) -> Result<(), Failure> {
    let mut before = "[";
    entries_of(args, |entry| {
        output::data(format_args!("{before}{entry}"))?;
        before = ",";
        Ok(())
    })?;
    output::data(if before == "[" { "[]" } else { "]" })
}

fn entries_of(
    args: &HistoryArgs,
    each: impl FnMut(&Value) -> Result<(), Failure>,
) -> Result<(), Failure> {
    match args.place.place()? {
        Place::Directory(dir) => {
            let local = Local::open(&dir)?;
            local.history(args.query(), args.limit, each)?;
            local.close()
        }
        Place::Server(server) => from_server(&server, args, each),
    }
}

fn from_server(
    server: &Server,
    args: &HistoryArgs,
    mut each: impl FnMut(&Value) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let path = args.path();
    let mut after = args.after;
    let mut left = args.limit.unwrap_or(u64::MAX);
    while left > 0 {
        let mut query = args.filters();
        query.push(("after", after.to_string()));
        query.push(("limit", left.min(PAGE_ENTRIES).to_string()));
        let page = server.get(&path, &query)?;
        let results = page
            .get("results")
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        for entry in results {
            each(entry)?;
        }
        left = left.saturating_sub(results.len() as u64);
        match page.get("next").and_then(next_offset) {
            Some(next) => after = next,
            None => break,
        }
    }
    Ok(())
}

/// `next` is an offset, as a number or as text.
fn next_offset(next: &Value) -> Option<u64> {
    next.as_u64().or_else(|| next.as_str()?.parse().ok())
}

impl HistoryArgs {
    fn path(&self) -> String {
        match self.event {
            Some(gathering) => format!("/api/events/{gathering}/history/"),
            None => "/api/history/".to_owned(),
        }
    }

    fn query(&self) -> HistoryQuery {
        HistoryQuery {
            gathering: self.event,
            participant: self.participant.clone(),
            actor: self.actor.clone(),
            gate: self.gate.clone(),
            kind: self.kind.clone(),
            since: self.since,
            until: self.until,
            after: self.after,
            limit: 0,
            ..HistoryQuery::default()
        }
    }

    fn filters(&self) -> Vec<(&'static str, String)> {
        let times = [("since", self.since), ("until", self.until)]
            .into_iter()
            .filter_map(|(name, time)| Some((name, time?.to_string())));
        [
            ("participant", &self.participant),
            ("actor", &self.actor),
            ("gate", &self.gate),
            ("type", &self.kind),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.clone()?)))
        .chain(times)
        .collect()
    }
}
