//! Reading a closed data directory in the process itself: the log, its views, and history pages from them.

use std::{io::Write, path::Path};

use doorbook::{
    events::{ids::Offset, log::Log, time::Timestamp},
    http::exports::{self, ExportError, Shape},
    projections::{
        Views,
        as_of::AsOf,
        integrity::KeySource,
        views::{HistoryQuery, ViewError},
    },
};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::{failure::Failure, place::open_log};

/// A path, as for `serve`.
const CHECKPOINT_KEY_VARIABLE: &str = "DOORBOOK_CHECKPOINT_KEY";
/// Entries of one page of history.
const PAGE_ENTRIES: usize = 1_000;

/// A data directory, opened; closed again by [`Local::close`].
pub(crate) struct Local {
    pub(crate) log: Log,
    pub(crate) views: Views,
    pub(crate) runtime: Runtime,
}

impl Local {
    pub(crate) fn open(dir: &Path) -> Result<Self, Failure> {
        let runtime = runtime()?;
        let log = open_log(dir)?;
        let views = {
            let _entered = runtime.enter();
            Views::open_with(log.clone(), checkpoint_key()?).map_err(Failure::unreachable)?
        };
        Ok(Self {
            log,
            views,
            runtime,
        })
    }

    /// Hands every entry that the query finds to `each`, page by page, until `most` have been seen.
    pub(crate) fn history(
        &self,
        mut query: HistoryQuery,
        most: Option<u64>,
        mut each: impl FnMut(&Value) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut left = most.unwrap_or(u64::MAX);
        while left > 0 {
            query.limit = usize::try_from(left)
                .unwrap_or(PAGE_ENTRIES)
                .min(PAGE_ENTRIES);
            let page = self
                .runtime
                .block_on(self.views.history(query.clone()))
                .map_err(Failure::check)?;
            for entry in &page.results {
                each(&serde_json::to_value(entry).map_err(Failure::check)?)?;
            }
            left = left.saturating_sub(page.results.len() as u64);
            match page.next {
                Some(after) => query.after = after,
                None => break,
            }
        }
        Ok(())
    }

    /// Writes everything that the query finds, at most `limit` rows; gives how many there were.
    pub(crate) fn export(
        &self,
        query: HistoryQuery,
        limit: u64,
        shape: &Shape,
        out: &mut dyn Write,
        progress: impl FnMut(Offset),
    ) -> Result<u64, Failure> {
        let mut rows = {
            let _entered = self.runtime.enter();
            self.views.history_rows(query, shape.shows_people())
        };
        let checkpoint = (self.runtime)
            .block_on(exports::checkpoint(&self.views, rows.head()))
            .map_err(Failure::check)?;
        exports::write(&mut rows, limit, shape, &checkpoint, out, progress).map_err(|error| {
            match error {
                ExportError::View(error) => Failure::check(error),
                ExportError::Write(error) => Failure::output(error),
            }
        })
    }

    /// Asks the views and waits for what they say.
    pub(crate) fn ask<T>(
        &self,
        question: impl Future<Output = Result<T, ViewError>>,
    ) -> Result<T, Failure> {
        self.runtime.block_on(question).map_err(Failure::check)
    }

    /// The offset that is meant.
    pub(crate) fn moment(&self, as_of: AsOf) -> Result<Offset, Failure> {
        self.ask(self.views.moment(as_of, Timestamp::now()))
    }

    pub(crate) fn head(&self) -> Offset {
        self.log.head()
    }

    pub(crate) fn close(self) -> Result<(), Failure> {
        self.views.close();
        self.log.close().map_err(Failure::unreachable)
    }
}

/// The key that signs checkpoints, when it is not in the data directory.
pub(crate) fn checkpoint_key() -> Result<KeySource, Failure> {
    match std::env::var_os(CHECKPOINT_KEY_VARIABLE) {
        Some(path) => KeySource::read(Path::new(&path)).map_err(Failure::unreachable),
        None => Ok(KeySource::default()),
    }
}

pub(crate) fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::unreachable)
}
