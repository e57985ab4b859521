//! XLSX, written as it is sent: no temporary file, so nothing of a person lies on a disk on the way.
//! Times are dates of the chosen zone, numbers are numbers, and what people typed is text, never a
//! formula. A sheet that is full is followed by another; the last one is the checkpoint.

use std::{
    cell::Cell as Switch,
    io::{self, Write},
    rc::Rc,
};

use chrono_tz::Tz;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions, write::StreamWriter};

use super::{
    Checkpoint, Rows, Shape,
    columns::{Cell, push_id, push_number, wall_micros},
};
use crate::{events::time::Timestamp, projections::views::HistoryRow};

/// Most rows of a sheet, the header among them; no spreadsheet takes more.
const SHEET_ROWS_MAX: u32 = 1_048_576;
/// Most bytes of a sheet before they are packed: from 4 GiB on, not every reader opens it.
const SHEET_BYTES_MAX: u64 = 3 << 30;
/// Fast rather than small: the client waits for it.
const COMPRESSION_LEVEL: i64 = 1;
/// What is handed to the packer at a time, bytes.
const PIECE_BYTES: usize = 16 * 1024;

/// Days from 1899-12-30, where spreadsheets count from, to 1970; and their first day without doubt, from
/// when on every program shows the same.
const DAYS_BEFORE_1970: f64 = 25_569.0;
const FIRST_DAY: f64 = 61.0;
const MICROS_PER_DAY: f64 = 86_400_000_000.0;

const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#;
const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const RELATIONS: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
const DOCUMENT: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

/// The number of the date's and of the header's style in [`STYLES`].
const DATE_STYLE: u8 = 1;
const HEADER_STYLE: u8 = 2;
const STYLES: &str = r#"<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy\-mm\-dd\ hh:mm:ss.000"/></numFmts><fonts count="2"><font><sz val="11"/><name val="Calibri"/></font><font><b/><sz val="11"/><name val="Calibri"/></font></fonts><fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="3"><xf xfId="0"/><xf numFmtId="164" xfId="0" applyNumberFormat="1"/><xf fontId="1" xfId="0" applyFont="1"/></cellXfs><cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>"#;

pub(super) struct Xlsx<'a, W: Write> {
    zip: Option<ZipWriter<StreamWriter<Valve<W>>>>,
    /// Shut when the file is given up: the packer would end it as if it were whole.
    shut: Rc<Switch<bool>>,
    shape: &'a Shape,
    zone: Tz,
    /// Names of the sheets so far.
    sheets: Vec<String>,
    row: u32,
    sheet_bytes: u64,
    piece: Vec<u8>,
}

/// Lets nothing through once it is shut.
struct Valve<W> {
    out: W,
    shut: Rc<Switch<bool>>,
}

impl<W: Write> Write for Valve<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.shut.get() {
            return Ok(bytes.len());
        }
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.shut.get() {
            return Ok(());
        }
        self.out.flush()
    }
}

impl<W: Write> Drop for Xlsx<'_, W> {
    fn drop(&mut self) {
        self.shut.set(true);
    }
}

impl<'a, W: Write> Xlsx<'a, W> {
    pub(super) fn start(out: W, shape: &'a Shape) -> io::Result<Self> {
        let shut = Rc::new(Switch::new(false));
        let valve = Valve {
            out,
            shut: Rc::clone(&shut),
        };
        let mut xlsx = Self {
            zip: Some(ZipWriter::new_stream(valve)),
            shut,
            shape,
            zone: shape.zone.unwrap_or(Tz::UTC),
            sheets: Vec::new(),
            row: 0,
            sheet_bytes: 0,
            piece: Vec::with_capacity(2 * PIECE_BYTES),
        };
        xlsx.start_sheet()?;
        Ok(xlsx)
    }

    pub(super) fn row(&mut self, row: &HistoryRow) -> io::Result<()> {
        if self.row >= SHEET_ROWS_MAX || self.sheet_bytes >= SHEET_BYTES_MAX {
            self.end_sheet()?;
            self.start_sheet()?;
        }
        self.start_row();
        for (at, column) in self.shape.columns().iter().enumerate() {
            self.cell(at, &column.cell(row));
        }
        self.end_row()
    }

    pub(super) fn finish(mut self, rows: Rows, checkpoint: &Checkpoint) -> io::Result<()> {
        self.end_sheet()?;
        self.open_sheet("Checkpoint".to_owned())?;
        let epoch = checkpoint.epoch.to_string();
        let limited = rows.limited.then_some(("limited", Cell::Word("true")));
        let facts = [
            ("offset", Cell::Number(checkpoint.offset)),
            ("epoch", Cell::Text(&epoch)),
            ("time zone", Cell::Text(self.zone.name())),
            ("note", Cell::Text(&checkpoint.note)),
        ];
        let first = [("rows", Cell::Number(rows.written))];
        for (name, cell) in first.into_iter().chain(limited).chain(facts) {
            self.start_row();
            self.cell(0, &Cell::Word(name));
            self.cell(1, &cell);
            self.end_row()?;
        }
        self.end_sheet()?;
        for (path, part) in self.frame() {
            self.start_part(path)?;
            self.piece.extend_from_slice(HEAD.as_bytes());
            self.piece.extend_from_slice(part.as_bytes());
            self.hand_over()?;
        }
        match self.zip.take() {
            Some(zip) => zip.finish().map_err(io::Error::from)?.into_inner().flush(),
            None => Ok(()),
        }
    }

    fn start_sheet(&mut self) -> io::Result<()> {
        let name = match self.sheets.len() {
            0 => "History".to_owned(),
            before => format!("History {}", before + 1),
        };
        self.open_sheet(name)?;
        self.start_row();
        for (at, column) in self.shape.columns().iter().enumerate() {
            let name = column.name();
            if column.is_time() {
                let name = format!("{name} ({})", self.zone.name());
                self.text(at, &name, Some(HEADER_STYLE));
            } else {
                self.text(at, name, Some(HEADER_STYLE));
            }
        }
        self.end_row()
    }

    fn open_sheet(&mut self, name: String) -> io::Result<()> {
        self.sheets.push(name);
        self.row = 0;
        self.sheet_bytes = 0;
        self.start_part(format!("xl/worksheets/sheet{}.xml", self.sheets.len()))?;
        let start = format!(r#"{HEAD}<worksheet xmlns="{MAIN}"><sheetData>"#);
        self.piece.extend_from_slice(start.as_bytes());
        Ok(())
    }

    fn end_sheet(&mut self) -> io::Result<()> {
        self.piece.extend_from_slice(b"</sheetData></worksheet>");
        self.hand_over()
    }

    fn start_part(&mut self, path: String) -> io::Result<()> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(COMPRESSION_LEVEL));
        match &mut self.zip {
            Some(zip) => Ok(zip.start_file(path, options)?),
            None => Ok(()),
        }
    }

    fn start_row(&mut self) {
        self.row += 1;
        self.piece.extend_from_slice(b"<row r=\"");
        push_number(self.row.into(), &mut self.piece);
        self.piece.extend_from_slice(b"\">");
    }

    fn end_row(&mut self) -> io::Result<()> {
        self.piece.extend_from_slice(b"</row>");
        if self.piece.len() < PIECE_BYTES {
            return Ok(());
        }
        self.hand_over()
    }

    fn hand_over(&mut self) -> io::Result<()> {
        self.sheet_bytes += self.piece.len() as u64;
        if let Some(zip) = &mut self.zip {
            zip.write_all(&self.piece)?;
        }
        self.piece.clear();
        Ok(())
    }

    fn cell(&mut self, at: usize, cell: &Cell<'_>) {
        match cell {
            Cell::Empty => {}
            Cell::Text(text) => self.text(at, text, None),
            Cell::Word(word) => self.text(at, word, None),
            Cell::Number(number) => {
                self.open_cell(at, "", None);
                self.piece.extend_from_slice(b"<v>");
                push_number(*number, &mut self.piece);
                self.piece.extend_from_slice(b"</v></c>");
            }
            Cell::Id(id) => {
                self.open_cell(at, " t=\"inlineStr\"", None);
                self.piece.extend_from_slice(b"<is><t>");
                push_id(*id, &mut self.piece);
                self.piece.extend_from_slice(b"</t></is></c>");
            }
            Cell::Time(moment) => self.time(at, *moment),
        }
    }

    fn time(&mut self, at: usize, moment: Timestamp) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a spreadsheet's date is a float, exact to a microsecond in our centuries"
        )]
        let day = wall_micros(moment, self.zone) as f64 / MICROS_PER_DAY + DAYS_BEFORE_1970;
        if day < FIRST_DAY {
            self.text(at, &moment.to_string(), None);
            return;
        }
        self.open_cell(at, "", Some(DATE_STYLE));
        self.piece
            .extend_from_slice(format!("<v>{day}</v></c>").as_bytes());
    }

    fn text(&mut self, at: usize, text: &str, style: Option<u8>) {
        self.open_cell(at, " t=\"inlineStr\"", style);
        self.piece
            .extend_from_slice(b"<is><t xml:space=\"preserve\">");
        escape(text, &mut self.piece);
        self.piece.extend_from_slice(b"</t></is></c>");
    }

    fn open_cell(&mut self, at: usize, kind: &str, style: Option<u8>) {
        self.piece.extend_from_slice(b"<c r=\"");
        push_letters(at, &mut self.piece);
        push_number(self.row.into(), &mut self.piece);
        self.piece.push(b'"');
        self.piece.extend_from_slice(kind.as_bytes());
        if let Some(style) = style {
            self.piece.extend_from_slice(b" s=\"");
            push_number(style.into(), &mut self.piece);
            self.piece.push(b'"');
        }
        self.piece.push(b'>');
    }

    /// The parts that name the sheets, known only when all of them are written.
    fn frame(&self) -> Vec<(String, String)> {
        let sheets = |of: &dyn Fn(usize, &String) -> String| -> String {
            (1..)
                .zip(&self.sheets)
                .map(|(n, name)| of(n, name))
                .collect()
        };
        let overrides = sheets(&|n, _| {
            format!(
                r#"<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>"#
            )
        });
        let named =
            sheets(&|n, name| format!(r#"<sheet name="{name}" sheetId="{n}" r:id="rId{n}"/>"#));
        let related = sheets(&|n, _| {
            format!(
                r#"<Relationship Id="rId{n}" Type="{DOCUMENT}/worksheet" Target="worksheets/sheet{n}.xml"/>"#
            )
        });
        let styles = self.sheets.len() + 1;
        [
            ("[Content_Types].xml", format!(r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/>{overrides}</Types>"#)),
            ("_rels/.rels", format!(r#"<Relationships xmlns="{RELATIONS}"><Relationship Id="rId1" Type="{DOCUMENT}/officeDocument" Target="xl/workbook.xml"/></Relationships>"#)),
            ("xl/workbook.xml", format!(r#"<workbook xmlns="{MAIN}" xmlns:r="{DOCUMENT}"><sheets>{named}</sheets></workbook>"#)),
            ("xl/_rels/workbook.xml.rels", format!(r#"<Relationships xmlns="{RELATIONS}">{related}<Relationship Id="rId{styles}" Type="{DOCUMENT}/styles" Target="styles.xml"/></Relationships>"#)),
            ("xl/styles.xml", STYLES.to_owned()),
        ]
        .map(|(path, part)| (path.to_owned(), part))
        .into()
    }
}

/// A column's letters: A, B, … Z, AA, …
fn push_letters(at: usize, out: &mut Vec<u8>) {
    let letter = |number: usize| b'A' + u8::try_from(number % 26).unwrap_or_default();
    if let Some(first) = (at / 26).checked_sub(1) {
        out.push(letter(first));
    }
    out.push(letter(at));
}

/// Text for XML 1.0, which knows no control characters; and `_x0041_`, which spreadsheets take for an A,
/// stays what it is.
fn escape(text: &str, out: &mut Vec<u8>) {
    for (at, character) in text.char_indices() {
        match character {
            '&' => out.extend_from_slice(b"&amp;"),
            '<' => out.extend_from_slice(b"&lt;"),
            '>' => out.extend_from_slice(b"&gt;"),
            '\r' => out.extend_from_slice(b"&#13;"),
            '_' if is_code(&text[at..]) => out.extend_from_slice(b"_x005F_"),
            '\t' | '\n' => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                out.extend_from_slice("\u{fffd}".as_bytes());
            }
            _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

fn is_code(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 7
        && bytes[1] == b'x'
        && bytes[6] == b'_'
        && bytes[2..6].iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_lettered_as_spreadsheets_do() {
        for (at, letters) in [(0, "A"), (25, "Z"), (26, "AA"), (51, "AZ"), (52, "BA")] {
            let mut out = Vec::new();
            push_letters(at, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), letters);
        }
    }

    #[test]
    fn text_is_xml_whatever_it_holds() {
        for (text, xml) in [
            ("a<b>&\"c\"", "a&lt;b&gt;&amp;\"c\""),
            ("\0\u{1b}\u{ffff}", "\u{fffd}\u{fffd}\u{fffd}"),
            ("two\nlines\r", "two\nlines&#13;"),
            ("_x0041_ _x", "_x005F_x0041_ _x"),
            ("‏مرحبا", "‏مرحبا"),
        ] {
            let mut out = Vec::new();
            escape(text, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), xml, "{text:?}");
        }
    }
}
