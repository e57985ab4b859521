//! The table of views that can be rebuilt. Another view is another row here and in `fresh`.

use crate::{
    events::snapshot::{FoldName, Scope},
    projections::{dashboard, history, integrity, live::Inner, participants, views::ViewError},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum View {
    Participants,
    Dashboard,
    History,
    /// The tree over the log: no fold of facts, so it is made anew by itself.
    Integrity,
}

impl View {
    pub(super) const ALL: [Self; 4] = [
        Self::Participants,
        Self::Dashboard,
        Self::History,
        Self::Integrity,
    ];

    pub(super) const fn fold(self) -> FoldName {
        match self {
            Self::Participants => participants::FOLD,
            Self::Dashboard => dashboard::FOLD,
            Self::History => history::FOLD,
            Self::Integrity => integrity::FOLD,
        }
    }

    /// Whether it is folded from facts and kept as snapshots.
    pub(super) const fn is_fold(self) -> bool {
        !matches!(self, Self::Integrity)
    }

    /// Whether one state covers the whole log; else there is one for each gathering.
    pub(super) const fn covers_whole_log(self) -> bool {
        match self {
            Self::Dashboard | Self::Integrity => true,
            Self::Participants | Self::History => false,
        }
    }

    pub(super) fn scopes(self, inner: &Inner) -> Vec<Scope> {
        if self.covers_whole_log() {
            return vec![Scope::WholeLog];
        }
        let gatherings = inner.log.gatherings();
        gatherings.into_iter().map(Scope::Gathering).collect()
    }

    pub(super) fn parse(name: &str) -> Result<Self, ViewError> {
        (Self::ALL.into_iter())
            .find(|view| view.fold().name == name)
            .ok_or_else(|| ViewError::UnknownProjection(name.to_owned()))
    }
}
