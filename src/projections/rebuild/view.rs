//! The table of views that can be rebuilt. Another view is another row here and in `fresh`.

use crate::{
    events::snapshot::{FoldName, Scope},
    projections::{dashboard, history, live::Inner, participants, views::ViewError},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum View {
    Participants,
    Dashboard,
    History,
}

impl View {
    pub(super) const ALL: [Self; 3] = [Self::Participants, Self::Dashboard, Self::History];

    pub(super) const fn fold(self) -> FoldName {
        match self {
            Self::Participants => participants::FOLD,
            Self::Dashboard => dashboard::FOLD,
            Self::History => history::FOLD,
        }
    }

    /// Whether one state covers the whole log; else there is one for each gathering.
    pub(super) const fn covers_whole_log(self) -> bool {
        match self {
            Self::Dashboard => true,
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
