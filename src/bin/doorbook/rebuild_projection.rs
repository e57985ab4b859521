//! `doorbook rebuild-projection`: folds a view anew from the first event, beside the live one, and switches.
//! On a closed directory here; on a server there, while it serves.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Duration,
};

use clap::Args;
use doorbook::projections::ViewError;
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
    /// Every view, one after the other
    #[arg(long, conflicts_with = "name")]
    all: bool,
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
            let result = rebuild_all(args, &local, &stop);
            local.close()?;
            result
        }
        Place::Server(server) => rebuild_all(args, &server, &stop),
    }
}

fn rebuild_all(args: &RebuildArgs, at: &impl Rebuilds, stop: &Receiver<()>) -> Result<(), Failure> {
    let names = match &args.name {
        Some(name) => vec![name.clone()],
        None => at.names()?,
    };
    for name in names {
        at.start(&name)?;
        let last = follow(at, &name, stop)?;
        if args.json {
            output::json(&json!({"name": name, "progress": last}))?;
        }
        match last["state"].as_str() {
            Some("done") => {}
            Some("cancelled") => {
                return Err(Failure::refused(format!(
                    "the rebuild of {name} was cancelled; the old one serves on"
                )));
            }
            _ => {
                let detail = last["detail"].as_str().unwrap_or("no reason given");
                return Err(Failure::refused(format!(
                    "the rebuild of {name} failed: {detail}"
                )));
            }
        }
    }
    Ok(())
}

fn follow(at: &impl Rebuilds, name: &str, stop: &Receiver<()>) -> Result<Value, Failure> {
    let mut progress = Progress::start(name, 0);
    loop {
        let now = at.progress(name)?;
        let number = |field: &str| now[field].as_u64().unwrap_or_default();
        progress.at(number("processed"), number("total"));
        if now["state"] != "running" {
            let state = now["state"].as_str().unwrap_or("unknown");
            progress.end(&format!(
                "{state}, {} events at {} events/s",
                number("processed"),
                number("events_per_second")
            ));
            return Ok(now);
        }
        match stop.recv_timeout(POLL_EVERY) {
            Ok(()) => at.cancel(name)?,
            Err(RecvTimeoutError::Timeout) => {}
            // Signals can no longer be heard; the rebuild goes on without them.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(POLL_EVERY),
        }
    }
}

/// The two places where views are rebuilt.
trait Rebuilds {
    fn names(&self) -> Result<Vec<String>, Failure>;
    fn start(&self, name: &str) -> Result<(), Failure>;
    fn progress(&self, name: &str) -> Result<Value, Failure>;
    fn cancel(&self, name: &str) -> Result<(), Failure>;
}

impl Rebuilds for Local {
    fn names(&self) -> Result<Vec<String>, Failure> {
        Ok(self
            .views
            .projections()
            .into_iter()
            .map(|view| view.name.to_owned())
            .collect())
    }

    fn start(&self, name: &str) -> Result<(), Failure> {
        let _entered = self.runtime.enter();
        self.views.start_rebuild(name).map_err(|error| {
            if matches!(error, ViewError::UnknownProjection(_)) {
                Failure::usage(error.to_string())
            } else {
                Failure::check(error)
            }
        })
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
    fn names(&self) -> Result<Vec<String>, Failure> {
        let views = self.get("/api/admin/projections/", &[])?;
        Ok(listed(&views)
            .iter()
            .filter_map(|view| Some(view["name"].as_str()?.to_owned()))
            .collect())
    }

    fn start(&self, name: &str) -> Result<(), Failure> {
        self.post(&rebuild_path(name)?, &json!({}))?
            .good()
            .map(drop)
    }

    fn progress(&self, name: &str) -> Result<Value, Failure> {
        self.get(&rebuild_path(name)?, &[])
    }

    fn cancel(&self, name: &str) -> Result<(), Failure> {
        self.delete(&rebuild_path(name)?)?.good().map(drop)
    }
}

/// Names of views are lower-case words, so nothing needs to be escaped in the path.
fn rebuild_path(name: &str) -> Result<String, Failure> {
    if name.is_empty()
        || !name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    {
        return Err(Failure::usage(format!(
            "no projection is called {name:?}; `doorbook projections` lists them"
        )));
    }
    Ok(format!("/api/admin/projections/{name}/rebuild/"))
}
