//! Where the data of a command is: a directory that it opens itself, or a running server that it asks.

use std::path::{Path, PathBuf};

use clap::Args;
use doorbook::events::log::{Log, OpenError};

use crate::{failure::Failure, output::say, server::Server};

const TOKEN_VARIABLE: &str = "DOORBOOK_TOKEN";

/// `--data DIR` or `--server URL`, one of them.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct PlaceArgs {
    /// Open this data directory; no server may hold it
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Ask this running server, with the token in DOORBOOK_TOKEN
    #[arg(long, value_name = "URL")]
    server: Option<String>,
}

pub(crate) enum Place {
    Directory(PathBuf),
    Server(Server),
}

impl PlaceArgs {
    pub(crate) fn place(&self) -> Result<Place, Failure> {
        match (&self.data, &self.server) {
            (Some(dir), _) => Ok(Place::Directory(dir.clone())),
            (None, Some(url)) => {
                let token = std::env::var(TOKEN_VARIABLE).map_err(|_| {
                    Failure::usage(format!(
                        "--server needs a token in {TOKEN_VARIABLE}; `doorbook token` makes one"
                    ))
                })?;
                Server::new(url, &token).map(Place::Server)
            }
            (None, None) => Err(Failure::usage(
                "say where the data is: --data DIR or --server URL",
            )),
        }
    }
}

/// Opens the log of a directory that has one, and says what opening had to mend.
pub(crate) fn open_log(dir: &Path) -> Result<Log, Failure> {
    try_open_log(dir)?.map_err(Failure::check)
}

/// The same, for who has something to say about a damaged log.
pub(crate) fn try_open_log(dir: &Path) -> Result<Result<Log, OpenError>, Failure> {
    if !dir.join("log").is_dir() {
        return Err(Failure::unreachable(anyhow::anyhow!(
            "{} holds no doorbook data; `doorbook serve --data {0}` makes some",
            dir.display()
        )));
    }
    let (log, report) = match Log::open(dir) {
        Ok(opened) => opened,
        // Not a matter of the place but of what lies there: a failed check.
        Err(error @ OpenError::Damaged { .. }) => return Ok(Err(error)),
        Err(
            error @ (OpenError::InUse { .. }
            | OpenError::Newer { .. }
            | OpenError::Io { .. }
            | OpenError::Store(_)
            | OpenError::Keys(_)),
        ) => return Err(Failure::unreachable(error)),
    };
    for sentence in &report.mended {
        say(sentence);
    }
    if let Some(offset) = report.cut_from {
        say(format_args!(
            "cut a tail that was never acknowledged, from offset {offset} on"
        ));
    }
    Ok(Ok(log))
}
