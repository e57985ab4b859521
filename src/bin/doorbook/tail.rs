//! `doorbook tail`: every event after an offset, in order; with a server it goes on as events come.

use std::str::FromStr;

use clap::Args;
use doorbook::projections::views::HistoryQuery;
use serde_json::Value;

use crate::{
    entries,
    failure::Failure,
    local::Local,
    output,
    place::{Place, PlaceArgs},
    server::{Lines, Server},
};

const LOG_PATH: &str = "/api/log/";
/// Events asked for at a time.
const PAGE_EVENTS: u64 = 1_000;
/// What a server answers while nothing has happened after the offset that was waited for.
const NOTHING_YET: u16 = 503;
const NOTHING_YET_CODE: &str = "view_behind";

/// Every event after an offset; with --server it follows until Ctrl-C
#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// `earliest`, `latest`, or the offset of the last event already seen
    #[arg(long, value_name = "FROM", default_value = "latest")]
    from: From,
    /// Stop at the head instead of following it
    #[arg(long)]
    once: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Earliest,
    Latest,
    Offset(u64),
}

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            number => number
                .parse()
                .map(Self::Offset)
                .map_err(|_| "must be earliest, latest or an offset".to_owned()),
        }
    }
}

pub(crate) fn run(args: &TailArgs) -> Result<(), Failure> {
    match args.place.place()? {
        Place::Directory(dir) => {
            let local = Local::open(&dir)?;
            let after = match args.from {
                From::Earliest => 0,
                From::Latest => local.head(),
                From::Offset(offset) => offset,
            };
            local.history(
                HistoryQuery {
                    after,
                    ..HistoryQuery::default()
                },
                None,
                |entry| show(args, entry),
            )?;
            local.close()
        }
        Place::Server(server) => follow(&server, args),
    }
}

fn follow(server: &Server, args: &TailArgs) -> Result<(), Failure> {
    let mut after = match args.from {
        From::Earliest => 0,
        From::Offset(offset) => offset,
        From::Latest => head(server)?,
    };
    loop {
        let query = [
            ("after", after.to_string()),
            ("limit", PAGE_EVENTS.to_string()),
        ];
        // Waits on the server until there is an event behind `after`; what is there already is not waited for.
        let wait_for = (!args.once).then_some(after + 1);
        let mut lines = server.lines(LOG_PATH, &query, wait_for)?;
        if let Lines::Refused(answer) = &lines {
            if answer.status == NOTHING_YET && answer.body["code"] == NOTHING_YET_CODE {
                continue;
            }
            return Err(answer.failure());
        }
        let start = after;
        while let Some(entry) = lines.next()? {
            after = entry.get("offset").and_then(Value::as_u64).unwrap_or(after);
            show(args, &entry)?;
        }
        if args.once && after == start {
            return Ok(());
        }
    }
}

/// The highest offset, by leaping through the log: any offset may be asked for, so the head lies between
/// the last leap that found an event and the first that did not.
fn head(server: &Server) -> Result<u64, Failure> {
    let exists = |offset: u64| -> Result<bool, Failure> {
        let query = [
            ("after", (offset - 1).to_string()),
            ("limit", "1".to_owned()),
        ];
        match server.lines(LOG_PATH, &query, None)? {
            Lines::Refused(answer) => Err(answer.failure()),
            mut lines @ Lines::Open(_) => Ok(lines.next()?.is_some()),
        }
    };
    let (mut known, mut leap) = (0_u64, 1_u64);
    while exists(known + leap)? {
        known += leap;
        leap *= 2;
    }
    let mut missing = known + leap;
    while missing - known > 1 {
        let middle = known + (missing - known) / 2;
        if exists(middle)? {
            known = middle;
        } else {
            missing = middle;
        }
    }
    Ok(known)
}

fn show(args: &TailArgs, entry: &Value) -> Result<(), Failure> {
    if args.json {
        output::json(entry)
    } else {
        output::data(entries::line(entry))
    }
}
