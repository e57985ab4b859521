//! Reading a closed data directory in the process itself: the log, its views, and history pages from them.

use std::path::Path;

use doorbook::{
    events::{ids::Offset, log::Log},
    projections::{Views, integrity::KeySource, views::HistoryQuery},
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
