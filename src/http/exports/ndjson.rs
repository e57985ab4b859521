//! NDJSON: the entries of the pages, one a line; with chosen columns an object of these. The last line is
//! the checkpoint: `{"checkpoint": {…}}`.

use std::io::{self, Write};

use serde::{Serialize, Serializer, ser::SerializeMap as _};

use super::{
    Checkpoint, Rows, Shape,
    columns::{Cell, Column, push_id},
};
use crate::projections::views::HistoryRow;

pub(super) struct Ndjson<'a, W> {
    out: W,
    shape: &'a Shape,
    line: Vec<u8>,
}

#[derive(Serialize)]
struct LastLine<'a> {
    checkpoint: Rest<'a>,
}

#[derive(Serialize)]
struct Rest<'a> {
    rows: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    limited: bool,
    #[serde(flatten)]
    checkpoint: &'a Checkpoint,
}

/// The columns of a row that were asked for.
struct Chosen<'a>(&'a [Column], &'a HistoryRow);

impl<'a, W: Write> Ndjson<'a, W> {
    pub(super) const fn start(out: W, shape: &'a Shape) -> Self {
        Self {
            out,
            shape,
            line: Vec::new(),
        }
    }

    pub(super) fn row(&mut self, row: &HistoryRow) -> io::Result<()> {
        match &self.shape.columns {
            None => self.line(&row.entry),
            Some(columns) => self.line(&Chosen(columns, row)),
        }
    }

    pub(super) fn finish(mut self, rows: Rows, checkpoint: &Checkpoint) -> io::Result<()> {
        if self.shape.trailer {
            let checkpoint = Rest {
                rows: rows.written,
                limited: rows.limited,
                checkpoint,
            };
            self.line(&LastLine { checkpoint })?;
        }
        self.out.flush()
    }

    fn line(&mut self, value: &impl Serialize) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, value)?;
        self.line.push(b'\n');
        self.out.write_all(&self.line)
    }
}

impl Serialize for Chosen<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(columns, row) = self;
        let mut map = serializer.serialize_map(Some(columns.len()))?;
        for column in *columns {
            map.serialize_entry(column.name(), &column.cell(row))?;
        }
        map.end()
    }
}

impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Empty => serializer.serialize_unit(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Word(word) => serializer.serialize_str(word),
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Id(id) => {
                let mut text = Vec::with_capacity(36);
                push_id(*id, &mut text);
                serializer.serialize_str(&String::from_utf8_lossy(&text))
            }
            Self::Time(moment) => moment.serialize(serializer),
        }
    }
}
