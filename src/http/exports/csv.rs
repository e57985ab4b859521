//! CSV (RFC 4180): a header, CRLF, every record with the same number of fields. What people typed can be
//! no formula in a spreadsheet (OWASP, "CSV Injection"): a cell that might be one begins with `'`.
//!
//! The last records are the checkpoint: their first field begins with `#`, the others are empty.

use std::io::{self, Write};

use super::{
    Checkpoint, Rows, Shape,
    columns::{Cell, Clock, Column, push_id, push_number},
};
use crate::projections::views::HistoryRow;

/// Where a spreadsheet's language has numbers with a decimal comma, these separate its columns, and what follows
/// one in quoted text is safe only as long as the program heeds the quotes.
const OTHER_SEPARATORS: &[char] = &[';', '\t'];
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// What makes a spreadsheet take a cell for a formula, with their full-width forms.
const FORMULA_STARTS: &[char] = &[
    '=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
];

pub(super) struct Csv<'a, W> {
    out: W,
    shape: &'a Shape,
    clock: Clock,
    line: Vec<u8>,
}

impl<'a, W: Write> Csv<'a, W> {
    pub(super) fn start(mut out: W, shape: &'a Shape) -> io::Result<Self> {
        if shape.bom {
            out.write_all(BYTE_ORDER_MARK)?;
        }
        let mut line = Vec::new();
        for (number, column) in shape.columns().iter().enumerate() {
            separate(number, &mut line);
            line.extend_from_slice(column.name().as_bytes());
            if let Some(zone) = shape.zone.filter(|_| column.is_time()) {
                line.extend_from_slice(format!(" ({})", zone.name()).as_bytes());
            }
        }
        line.extend_from_slice(b"\r\n");
        out.write_all(&line)?;
        Ok(Self {
            out,
            shape,
            clock: Clock::new(shape.zone),
            line,
        })
    }

    pub(super) fn row(&mut self, row: &HistoryRow) -> io::Result<()> {
        self.line.clear();
        for (number, column) in self.shape.columns().iter().enumerate() {
            separate(number, &mut self.line);
            self.field(*column, row);
        }
        // A line with nothing in it is no record to many readers.
        if self.line.is_empty() {
            self.line.extend_from_slice(b"\"\"");
        }
        self.line.extend_from_slice(b"\r\n");
        self.out.write_all(&self.line)
    }

    pub(super) fn finish(mut self, rows: Rows, checkpoint: &Checkpoint) -> io::Result<()> {
        if self.shape.trailer {
            for line in checkpoint.lines(rows, self.shape.zone) {
                self.remark(&line)?;
            }
        }
        self.out.flush()
    }

    fn field(&mut self, column: Column, row: &HistoryRow) {
        let out = &mut self.line;
        match column.cell(row) {
            Cell::Empty => {}
            Cell::Text(text) => typed(text, out),
            Cell::Word(word) => out.extend_from_slice(word.as_bytes()),
            Cell::Number(number) => push_number(number, out),
            Cell::Id(id) => push_id(id, out),
            Cell::Time(moment) => self.clock.push(moment, out),
        }
    }

    fn remark(&mut self, text: &str) -> io::Result<()> {
        self.line.clear();
        let text = if text.is_empty() {
            "#".to_owned()
        } else {
            format!("# {text}")
        };
        quoted(&text, "", &mut self.line);
        for number in 1..self.shape.columns().len() {
            separate(number, &mut self.line);
        }
        self.line.extend_from_slice(b"\r\n");
        self.out.write_all(&self.line)
    }
}

impl Checkpoint {
    /// For people and scripts: what the file is, and the note line by line.
    fn lines(&self, rows: Rows, zone: Option<chrono_tz::Tz>) -> Vec<String> {
        let limited = rows.limited.then(|| "limited: true".to_owned());
        let facts = [
            format!("offset: {}", self.offset),
            format!("epoch: {}", self.epoch),
            format!("time zone: {}", zone.map_or("UTC", |zone| zone.name())),
            "note:".to_owned(),
        ];
        let first = ["checkpoint".to_owned(), format!("rows: {}", rows.written)];
        let note = self.note.lines().map(str::to_owned);
        (first.into_iter().chain(limited).chain(facts).chain(note)).collect()
    }
}

fn separate(number: usize, out: &mut Vec<u8>) {
    if number > 0 {
        out.push(b',');
    }
}

/// What people typed, as no spreadsheet takes it for a formula.
fn typed(text: &str, out: &mut Vec<u8>) {
    let guard = if begins_as_formula(text) { "'" } else { "" };
    let mut guarded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(OTHER_SEPARATORS) {
        let (before, after) = rest.split_at(at + 1);
        guarded.push_str(before);
        if begins_as_formula(after) {
            guarded.push('\'');
        }
        rest = after;
    }
    guarded.push_str(rest);
    quoted(&guarded, guard, out);
}

/// Some programs pass over what is white in front of it, and over a quote.
fn begins_as_formula(text: &str) -> bool {
    (text.trim_start_matches([' ', '"', '\u{a0}', '\u{3000}', '\u{feff}', '\0']))
        .starts_with(FORMULA_STARTS)
}

fn quoted(text: &str, guard: &str, out: &mut Vec<u8>) {
    let plain = !text
        .bytes()
        .any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n'));
    if plain && !text.starts_with(' ') && !text.ends_with(' ') {
        out.extend_from_slice(guard.as_bytes());
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    out.extend_from_slice(guard.as_bytes());
    for byte in text.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_typed_is_no_formula_and_stays_one_field() {
        for (typed_text, field) in [
            ("Zoë", "Zoë"),
            ("=1+1", "'=1+1"),
            ("+49 30", "'+49 30"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t'=1"),
            ("x;=cmd|' /C calc'!A0", "x;'=cmd|' /C calc'!A0"),
            ("x; +1", "x;' +1"),
            ("x\t=1", "x\t'=1"),
            ("x;\t=1", "x;'\t'=1"),
            ("x;\"=1\"", "\"x;'\"\"=1\"\"\""),
            ("\"=1\"", "\"'\"\"=1\"\"\""),
            ("a;b;c=d", "a;b;c=d"),
            ("\r=1", "\"'\r=1\""),
            ("\n=1", "\"'\n=1\""),
            (" =1", "\"' =1\""),
            ("＝1", "'＝1"),
            ("＋1", "'＋1"),
            ("－1", "'－1"),
            ("＠a", "'＠a"),
            ("=\"a\",b", "\"'=\"\"a\"\",b\""),
            ("a \"b\"", "\"a \"\"b\"\"\""),
            ("a,b", "\"a,b\""),
            ("two\nlines", "\"two\nlines\""),
            ("a-b=c", "a-b=c"),
            ("", ""),
        ] {
            let mut out = Vec::new();
            typed(typed_text, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), field, "{typed_text:?}");
        }
    }
}
