//! Which rows of a rebuilt view are not as they are in the live one: where, and in which fields. Never
//! what stands in them, since that may be about a person.

use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

use super::view::View;
use crate::events::{
    ids::{GatheringId, Offset},
    snapshot::Scope,
};

/// Most rows that are named; the others are counted.
const ROWS_MAX: usize = 100;

/// A row that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RowDifference {
    pub view: &'static str,
    /// None: of the view of the whole log.
    #[schema(value_type = Option<String>, format = Uuid)]
    pub event_id: Option<GatheringId>,
    /// Id of the participant or gathering.
    pub row: String,
    /// Fields that differ; `missing` and `unexpected`: the live view lacks the row, or it alone has it.
    pub fields: Vec<&'static str>,
    /// At which both were compared.
    #[schema(value_type = u64)]
    pub offset: Offset,
}

impl fmt::Display for RowDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            view, row, offset, ..
        } = self;
        write!(
            f,
            "{view} {row} at offset {offset}: {}",
            self.fields.join(", ")
        )
    }
}

/// What a comparison has found.
#[derive(Default)]
pub(super) struct Differences {
    pub(super) count: u64,
    pub(super) rows: Vec<RowDifference>,
}

impl Differences {
    /// From rows of one scope, each with its id and the fields that differ.
    pub(super) fn of(
        view: View,
        scope: Scope,
        offset: Offset,
        rows: impl IntoIterator<Item = (String, Vec<&'static str>)>,
    ) -> Self {
        let event_id = match scope {
            Scope::Gathering(id) => Some(id),
            Scope::WholeLog => None,
        };
        let mut found = Self::default();
        for (row, fields) in rows {
            found.count += 1;
            if found.rows.len() < ROWS_MAX {
                found.rows.push(RowDifference {
                    view: view.fold().name,
                    event_id,
                    row,
                    fields,
                    offset,
                });
            }
        }
        found
    }

    pub(super) fn extend(&mut self, more: Self) {
        self.count += more.count;
        let room = ROWS_MAX.saturating_sub(self.rows.len());
        self.rows.extend(more.rows.into_iter().take(room));
    }
}
