//! All of a history in one file: CSV, XLSX or NDJSON, written a row at a time, so that a million rows
//! take no more memory than a thousand. The last thing in a file is the checkpoint that it was taken
//! at: one without it is not whole.
//!
//! `asked` reads what a request wants, `columns` says what there is to choose from, `csv`, `xlsx` and
//! `ndjson` how it is written, and `stream` sends it to an HTTP client. The command line writes its files here too.

pub(super) mod asked;
mod columns;
mod csv;
mod ndjson;
pub(super) mod stream;
mod xlsx;

use std::io::{self, Write};

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

pub use columns::{Column, UnknownColumn, columns};

use crate::{
    events::{
        event::ExportFormat,
        ids::{Epoch, Offset},
    },
    projections::{
        ViewError, Views,
        views::{HistoryRow, HistoryRows},
    },
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    Csv,
    Xlsx,
    Ndjson,
}

/// How a file is to look.
#[derive(Debug, Clone)]
pub struct Shape {
    pub format: Format,
    /// None: all that an entry has; of people nothing but their code.
    pub columns: Option<Vec<Column>>,
    /// None: UTC with `Z`. NDJSON is in UTC always.
    pub zone: Option<Tz>,
    /// A byte order mark in front of CSV, without which older spreadsheets take it for Latin-1.
    pub bom: bool,
    /// Whether CSV and NDJSON end with the checkpoint.
    pub trailer: bool,
}

/// Where the log stood when the file was asked for.
#[derive(Debug, Clone, Serialize)]
pub struct Checkpoint {
    pub offset: Offset,
    pub epoch: Epoch,
    /// The signed tree head of that size, in C2SP form.
    pub note: String,
}

/// How many rows a file has, and whether there would have been more but for the limit.
#[derive(Clone, Copy)]
struct Rows {
    written: u64,
    limited: bool,
}

#[derive(Debug, Error)]
pub enum ExportError {
    #[error("{0}")]
    View(#[from] ViewError),
    /// Nobody takes the file any more, or there is no room for it.
    #[error("{0}")]
    Write(#[from] io::Error),
}

impl Format {
    /// As it stands in the log.
    #[must_use]
    pub const fn word(self) -> ExportFormat {
        match self {
            Self::Csv => ExportFormat::Csv,
            Self::Xlsx => ExportFormat::Xlsx,
            Self::Ndjson => ExportFormat::Ndjson,
        }
    }

    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
            Self::Ndjson => "ndjson",
        }
    }

    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Ndjson => "application/x-ndjson",
        }
    }
}

impl Shape {
    /// Whether a column shows who somebody is.
    #[must_use]
    pub fn shows_people(&self) -> bool {
        (self.columns.iter().flatten()).any(|column| column.shows_people())
    }

    fn columns(&self) -> &[Column] {
        self.columns.as_deref().unwrap_or(Column::USUAL)
    }
}

/// Of the log as it was at an offset.
///
/// # Errors
/// When the log cannot be read, or its checkpoint not signed.
pub async fn checkpoint(views: &Views, offset: Offset) -> Result<Checkpoint, ViewError> {
    Ok(Checkpoint {
        offset,
        epoch: views.log().epoch(),
        note: views.checkpoint_at(offset).await?.note,
    })
}

enum Writer<'a, W: Write> {
    Csv(csv::Csv<'a, W>),
    Xlsx(Box<xlsx::Xlsx<'a, W>>),
    Ndjson(ndjson::Ndjson<'a, W>),
}

/// Writes all rows, at most `limit`, and then the checkpoint; `progress` hears how far in the log it has
/// come. Gives the number of rows. Blocks.
///
/// # Errors
/// See [`ExportError`]; what has been written then does not end as a whole file does.
pub fn write<W: Write>(
    rows: &mut HistoryRows,
    limit: u64,
    shape: &Shape,
    checkpoint: &Checkpoint,
    out: W,
    mut progress: impl FnMut(Offset),
) -> Result<u64, ExportError> {
    let mut writer = match shape.format {
        Format::Csv => Writer::Csv(csv::Csv::start(out, shape)?),
        Format::Xlsx => Writer::Xlsx(Box::new(xlsx::Xlsx::start(out, shape)?)),
        Format::Ndjson => Writer::Ndjson(ndjson::Ndjson::start(out, shape)),
    };
    let (mut written, mut limited) = (0, false);
    while !limited {
        // At the limit, too: whether more was left out is for the file to say.
        let step = rows.step()?;
        if step.is_empty() {
            break;
        }
        let left = usize::try_from(limit - written).unwrap_or(usize::MAX);
        for row in step.iter().take(left) {
            writer.row(row)?;
            written += 1;
        }
        limited = step.len() > left;
        progress(rows.position());
    }
    let all = Rows { written, limited };
    match writer {
        Writer::Csv(writer) => writer.finish(all, checkpoint)?,
        Writer::Xlsx(writer) => writer.finish(all, checkpoint)?,
        Writer::Ndjson(writer) => writer.finish(all, checkpoint)?,
    }
    Ok(written)
}

impl<W: Write> Writer<'_, W> {
    fn row(&mut self, row: &HistoryRow) -> io::Result<()> {
        match self {
            Self::Csv(writer) => writer.row(row),
            Self::Xlsx(writer) => writer.row(row),
            Self::Ndjson(writer) => writer.row(row),
        }
    }
}
