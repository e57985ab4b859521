//! `doorbook rebuild-projection`: folds a view anew from the first event, beside the live one, and switches; or
//! only looks (`--dry-run`, `--diff`), or goes back. On a closed directory here; on a server there, while it
//! serves.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Duration,
};

use clap::Args;
use doorbook::projections::{ViewError, views::RebuildOptions};
use serde_json::{Value, json};

use crate::{
    failure::Failure,
    interrupt,
    local::Local,
    output,
    place::{Place, PlaceArgs},
    progress::Progress,
    projections::listed,
    server::Server,
};

/// How often progress is asked for.
const POLL_EVERY: Duration = Duration::from_millis(200);

/// Fold a view anew from the first event, then switch to it; Ctrl-C cancels and keeps the old one
#[derive(Debug, Args)]
pub(crate) struct RebuildArgs {
    /// The view; `doorbook projections` lists them
    #[arg(required_unless_present = "all")]
    name: Option<String>,
    /// Every view, from one reading of the log
    #[arg(long, conflicts_with = "name")]
    all: bool,
    /// Fold and say how it went; switch nothing
    #[arg(long)]
    dry_run: bool,
    /// Print every row that differs from the live view; switch nothing, exit 1 if there is one
    #[arg(long)]
    diff: bool,
    /// Put the generation before the last rebuild back instead
    #[arg(long, conflicts_with_all = ["all", "dry_run", "diff"])]
    rollback: bool,
    #[command(flatten)]
    place: PlaceArgs,
    /// Print the last progress of each rebuild as a line of JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &RebuildArgs) -> Result<(), Failure> {
    let stop = interrupt::watch()?;
    match args.place.place()? {
        Place::Directory(dir) => {
            let local = Local::open(&dir)?;
            let result = rebuild(args, &local, &stop);
            local.close()?;
            result
        }
        Place::Server(server) => rebuild(args, &server, &stop),
    }
}

fn rebuild(args: &RebuildArgs, at: &impl Rebuilds, stop: &Receiver<()>) -> Result<(), Failure> {
    let name = args.name.as_deref().unwrap_or("all");
    if args.rollback {
        at.roll_back(name)?;
        return output::data(format_args!("{name}: the generation before serves again"));
    }
    at.start(
        name,
        RebuildOptions {
            dry_run: args.dry_run,
            diff: args.diff,
        },
    )?;
    let last = follow(at, name, stop)?;
    if args.json {
        output::json(&json!({"name": name, "progress": last}))?;
    }
    match last["state"].as_str() {
        Some("done") if args.diff => differences(name, &last, args.json),
        Some("done") => Ok(()),
        Some("cancelled") => Err(Failure::refused(format!(
            "the rebuild of {name} was cancelled; {}",
            what_serves(&last)
        ))),
        _ => {
            let detail = last["detail"].as_str().unwrap_or("no reason given");
            Err(Failure::refused(format!(
                "the rebuild of {name} failed, {}: {detail}",
                what_serves(&last)
            )))
        }
    }
}

/// Of several views some may have been switched before the others were given up.
fn what_serves(last: &Value) -> String {
    let switched: Vec<_> = (listed(&last["views"]).iter())
        .filter(|view| view["state"] == "done" && last["dry_run"] != true)
        .filter_map(|view| view["name"].as_str())
        .collect();
    if switched.is_empty() {
        "the old one serves on".to_owned()
    } else {
        format!(
            "the new one serves of {}, the old one of the others",
            switched.join(", ")
        )
    }
}

/// Each row that differs on a line of its own.
fn differences(name: &str, last: &Value, is_json: bool) -> Result<(), Failure> {
    let rows = listed(&last["differing_rows"]);
    let count = last["differences"].as_u64().unwrap_or_default();
    if !is_json {
        for row in rows {
            let fields: Vec<_> = listed(&row["fields"])
                .iter()
                .filter_map(Value::as_str)
                .collect();
            output::data(format_args!(
                "{} of {}: {} differs in {} at offset {}",
                row["view"].as_str().unwrap_or_default(),
                row["event_id"].as_str().unwrap_or("the whole log"),
                row["row"].as_str().unwrap_or_default(),
                fields.join(", "),
                row["offset"]
            ))?;
        }
        let more = count.saturating_sub(rows.len() as u64);
        if more > 0 {
            output::data(format_args!("and {more} more"))?;
        }
    }
    if count == 0 {
        Ok(())
    } else {
        Err(Failure::refused(format!(
            "{count} rows of {name} are not as a fold from the first event gives them; without --diff a rebuild mends them"
        )))
    }
}

fn follow(at: &impl Rebuilds, name: &str, stop: &Receiver<()>) -> Result<Value, Failure> {
    let mut progress = Progress::start(name, 0);
    loop {
        let now = at.progress(name)?;
        let number = |field: &str| now[field].as_u64().unwrap_or_default();
        progress.at(number("processed"), number("total"));
        if now["state"] != "running" {
            let state = now["state"].as_str().unwrap_or("unknown");
            let switched = if now["dry_run"] == true {
                ", nothing was switched"
            } else {
                ""
            };
            progress.end(&format!(
                "{state}{switched}, {} events at {} events/s",
                number("processed"),
                number("events_per_second")
            ));
            return Ok(now);
        }
        match stop.recv_timeout(POLL_EVERY) {
            // What has ended meanwhile cannot be cancelled, and need not.
            Ok(()) => match at.cancel(name) {
                Err(failure) if at.progress(name)?["state"] == "running" => return Err(failure),
                _ => {}
            },
            Err(RecvTimeoutError::Timeout) => {}
            // Signals can no longer be heard; the rebuild goes on without them.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(POLL_EVERY),
        }
    }
}

/// The two places where views are rebuilt.
trait Rebuilds {
    fn start(&self, name: &str, options: RebuildOptions) -> Result<(), Failure>;
    fn roll_back(&self, name: &str) -> Result<(), Failure>;
    fn progress(&self, name: &str) -> Result<Value, Failure>;
    fn cancel(&self, name: &str) -> Result<(), Failure>;
}

impl Rebuilds for Local {
    fn start(&self, name: &str, options: RebuildOptions) -> Result<(), Failure> {
        let _entered = self.runtime.enter();
        (self.views.start_rebuild_with(name, options)).map_err(usage_or_check)
    }

    fn roll_back(&self, name: &str) -> Result<(), Failure> {
        self.views.roll_back(name).map_err(usage_or_check)
    }

    fn progress(&self, name: &str) -> Result<Value, Failure> {
        let progress = self.views.rebuild_progress(name).map_err(Failure::check)?;
        serde_json::to_value(progress).map_err(Failure::check)
    }

    fn cancel(&self, name: &str) -> Result<(), Failure> {
        self.views.cancel_rebuild(name).map_err(Failure::check)
    }
}

impl Rebuilds for Server {
    fn start(&self, name: &str, options: RebuildOptions) -> Result<(), Failure> {
        let RebuildOptions { dry_run, diff } = options;
        let body = json!({"dry_run": dry_run, "diff": diff});
        self.post(&path(name, "rebuild")?, &body)?.good().map(drop)
    }

    fn roll_back(&self, name: &str) -> Result<(), Failure> {
        self.post(&path(name, "rollback")?, &json!({}))?
            .good()
            .map(drop)
    }

    fn progress(&self, name: &str) -> Result<Value, Failure> {
        self.get(&path(name, "rebuild")?, &[])
    }

    fn cancel(&self, name: &str) -> Result<(), Failure> {
        self.delete(&path(name, "rebuild")?)?.good().map(drop)
    }
}

fn usage_or_check(error: ViewError) -> Failure {
    if matches!(error, ViewError::UnknownProjection(_)) {
        Failure::usage(error.to_string())
    } else {
        Failure::check(error)
    }
}

/// Names of views are lower-case words, so nothing needs to be escaped in the path.
fn path(name: &str, what: &str) -> Result<String, Failure> {
    if name.is_empty()
        || !name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    {
        return Err(Failure::usage(format!(
            "no projection is called {name:?}; `doorbook projections` lists them"
        )));
    }
    Ok(format!("/api/admin/projections/{name}/{what}/"))
}
