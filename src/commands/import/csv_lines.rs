//! CSV into registrations: delimiter from the header (comma, semicolon or tab), quoted fields over
//! several lines, one person a record.

use std::io::Cursor;

use csv::{Position, Reader, ReaderBuilder, StringRecord};

use super::{
    ImportLine, LineProblem,
    columns::{Columns, HeaderProblem, Name},
    text,
};
use crate::commands::register::{RawRegister, Register};

/// The records of a list, in order.
pub struct CsvLines {
    text: String,
    reader: Reader<Cursor<Vec<u8>>>,
    columns: Columns,
    width: usize,
    /// Lines in front of what `reader` sees.
    skipped: u64,
    record: StringRecord,
    delimiter: u8,
    /// Forgotten quotes so far.
    unclosed: usize,
}

/// Each of them costs a look over the rest of the list; behind this many it is taken as it reads.
const UNCLOSED_QUOTES_MAX: usize = 16;

/// Reads the header.
///
/// # Errors
/// See [`HeaderProblem`].
pub fn csv_lines(bytes: &[u8]) -> Result<CsvLines, HeaderProblem> {
    let text = text::decode(bytes);
    // Spreadsheets write the delimiter into a line of its own.
    let named = ["sep=,", "sep=;", "sep=\t"]
        .into_iter()
        .find(|mark| text.starts_with(mark));
    let (text, skipped) = match named {
        Some(_) => (
            text.split_once('\n')
                .map_or("", |(_, rest)| rest)
                .to_owned(),
            1,
        ),
        None => (text, 0),
    };
    let delimiter = named
        .and_then(|mark| mark.bytes().last())
        .unwrap_or_else(|| delimiter(&text));
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .has_headers(true)
        .from_reader(Cursor::new(text.clone().into_bytes()));
    let headers = reader
        .headers()
        .map_err(|_| HeaderProblem::Unreadable)?
        .clone();
    if headers.iter().all(|header| header.trim().is_empty()) {
        return Err(HeaderProblem::Empty);
    }
    Ok(CsvLines {
        columns: Columns::of(headers.iter())?,
        width: headers.len(),
        text,
        reader,
        skipped,
        record: StringRecord::new(),
        delimiter,
        unclosed: 0,
    })
}

impl Iterator for CsvLines {
    type Item = ImportLine;

    fn next(&mut self) -> Option<ImportLine> {
        loop {
            let (start, line) = self.next_start();
            let result = match self.reader.read_record(&mut self.record) {
                Ok(false) => return None,
                Ok(true) if self.never_closed(start) => self.pass_over(start, line),
                Ok(true) if self.record.iter().all(|value| value.trim().is_empty()) => continue,
                Ok(true) => self.register(),
                Err(_) => Err(LineProblem {
                    code: "invalid_csv",
                    detail: "the line cannot be read as CSV".to_owned(),
                }),
            };
            return Some(ImportLine { line, result });
        }
    }
}

impl CsvLines {
    /// Where the next record starts, its byte and its line. The reader stands before blank lines that
    /// it will pass over.
    fn next_start(&self) -> (usize, u64) {
        let position = self.reader.position();
        let start = usize::try_from(position.byte()).unwrap_or(usize::MAX);
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
        let blank_bytes = blank.clone().count();
        let blank_lines = blank.filter(|byte| **byte == b'\n').count() as u64;
        let line = self.skipped + position.line() + blank_lines;
        (start.saturating_add(blank_bytes), line)
    }

    /// Whether the record that began at `start` has taken lines into a quote that somebody forgot.
    fn never_closed(&self, start: usize) -> bool {
        let end = usize::try_from(self.reader.position().byte()).unwrap_or(usize::MAX);
        let record = self.text.as_bytes().get(start..end).unwrap_or_default();
        self.unclosed < UNCLOSED_QUOTES_MAX && quote_forgotten(record, self.delimiter)
    }

    /// One forgotten quote costs its own line, not all the lines behind it.
    fn pass_over(&mut self, start: usize, line: u64) -> Result<Register, LineProblem> {
        self.unclosed += 1;
        let bytes = self.text.as_bytes();
        let rest = bytes.get(start..).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte == b'\n');
        let next = length.map_or(bytes.len(), |length| start + length + 1);
        let mut position = Position::new();
        position
            .set_byte(next as u64)
            .set_line(line + 1 - self.skipped);
        let detail = match self.reader.seek(position) {
            Ok(()) => "a quote opens on this line and never closes",
            Err(_) => "a quote opens on this line and never closes; the rest was not read",
        };
        Err(LineProblem {
            code: "unclosed_quote",
            detail: detail.to_owned(),
        })
    }

    fn register(&self) -> Result<Register, LineProblem> {
        if self.record.len() > self.width {
            return Err(LineProblem {
                code: "too_many_fields",
                detail: format!(
                    "the line has {} fields, the header {}; quote fields that hold the delimiter",
                    self.record.len(),
                    self.width
                ),
            });
        }
        let columns = &self.columns;
        if let Some(status) = self.first(&columns.status) {
            check_status(status)?;
        }
        let (first_name, last_name) = self.name();
        let ticket_type = match (
            self.first(&columns.ticket_type),
            self.first(&columns.variation),
        ) {
            (Some(product), Some(variation)) => Some(format!("{product} – {variation}")),
            (product, variation) => product.or(variation).map(str::to_owned),
        };
        let external_id = match (self.first(&columns.order), self.first(&columns.position)) {
            (Some(order), Some(position)) => Some(format!("{order}-{position}")),
            (Some(order), None) => Some(order.to_owned()),
            (None, _) => None,
        };
        Ok(Register::parse(RawRegister {
            first_name,
            last_name,
            email: self.owned(&columns.email),
            event_pax_id: self.owned(&columns.code),
            ticket_type,
            external_id: self.owned(&columns.external_id).or(external_id),
            note: self.owned(&columns.note),
            user: None,
        })?)
    }

    /// The first column of these that has a value.
    fn first(&self, columns: &[usize]) -> Option<&str> {
        columns.iter().find_map(|column| self.value(*column))
    }

    fn owned(&self, columns: &[usize]) -> Option<String> {
        self.first(columns).map(str::to_owned)
    }

    fn value(&self, column: usize) -> Option<&str> {
        self.record
            .get(column)
            .map(str::trim)
            .filter(|value| !value.is_empty())
    }

    fn name(&self) -> (Option<String>, Option<String>) {
        for name in &self.columns.names {
            let (first, last) = match name {
                Name::Parts { first, last } => {
                    let value = |column: &Option<usize>| {
                        column.and_then(|it| self.value(it)).map(str::to_owned)
                    };
                    (value(first), value(last))
                }
                Name::Whole(column) => self.value(*column).map_or((None, None), split_name),
            };
            if first.is_some() || last.is_some() {
                return (first, last);
            }
        }
        (None, None)
    }
}

/// The delimiter that the header has most of, outside quotes.
fn delimiter(text: &str) -> u8 {
    let mut quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    for byte in text.trim_start_matches(['\r', '\n']).bytes() {
        match byte {
            b'"' => quoted = !quoted,
            b'\r' | b'\n' if !quoted => break,
            _ if quoted => {}
            _ => counts
                .iter_mut()
                .filter(|it| it.0 == byte)
                .for_each(|it| it.1 += 1),
        }
    }
    let [comma, others @ ..] = counts;
    others
        .into_iter()
        .fold(comma, |most, it| if it.1 > most.1 { it } else { most })
        .0
}

/// Whether a quote opens in this record and does not close, or closes lines further down in the midst
/// of a field, where another was meant to open. As the reader sees it: a quote opens where a field
/// begins, and two inside are one.
fn quote_forgotten(record: &[u8], delimiter: u8) -> bool {
    let ends_field = |byte: &u8| *byte == delimiter || matches!(byte, b'\r' | b'\n');
    let (mut quoted, mut field_begins, mut lines) = (false, true, false);
    let mut bytes = record.iter().peekable();
    while let Some(byte) = bytes.next() {
        match (quoted, *byte) {
            (true, b'"') if bytes.next_if_eq(&&b'"').is_some() => {}
            (true, b'"') => {
                if lines && !bytes.peek().is_none_or(|next| ends_field(next)) {
                    return true;
                }
                (quoted, field_begins) = (false, false);
            }
            (true, _) => lines |= *byte == b'\n',
            (false, b'"') if field_begins => (quoted, lines) = (true, false),
            (false, _) => field_begins = ends_field(byte),
        }
    }
    quoted
}

fn check_status(status: &str) -> Result<(), LineProblem> {
    let status = status.to_lowercase();
    let is = |word: &str| status == word;
    // pretix says "Canceled (paid fee)" of an order that was only charged for its cancellation.
    let cancelled = [
        "cancel",
        "storniert",
        "abgesagt",
        "deleted",
        "not attending",
    ];
    let detail = if is("c") || cancelled.iter().any(|word| status.starts_with(word)) {
        "the order is cancelled"
    } else if is("e") || is("expired") || is("abgelaufen") || is("verfallen") {
        "the order has expired"
    } else if is("refunded") || is("erstattet") {
        "the order was refunded"
    } else {
        return Ok(());
    };
    Err(LineProblem {
        code: "cancelled",
        detail: detail.to_owned(),
    })
}

/// Words that begin a family name.
const PARTICLES: [&str; 24] = [
    "von", "vom", "van", "zu", "zum", "zur", "de", "del", "della", "der", "den", "di", "da", "dos",
    "du", "la", "le", "ten", "ter", "bin", "ibn", "al", "el", "st.",
];

/// "Ana Ruiz", "Ruiz, Ana", "Ludwig van Beethoven"; one word alone is a first name.
fn split_name(name: &str) -> (Option<String>, Option<String>) {
    let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    if let Some((last, first)) = name.split_once(',') {
        return (some(first), some(last));
    }
    let words: Vec<&str> = name.split_whitespace().collect();
    let is_particle = |word: &&str| PARTICLES.contains(&word.to_lowercase().as_str());
    let mut last_from = words.len().saturating_sub(1).max(1);
    while last_from > 1 && words.get(last_from - 1).is_some_and(is_particle) {
        last_from -= 1;
    }
    let (first, last) = words.split_at(last_from.min(words.len()));
    (some(&first.join(" ")), some(&last.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> Vec<u8> {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/imports/");
        std::fs::read(format!("{dir}{name}")).unwrap()
    }

    /// `line first|last|email|code|type|external|note` or `line !code`.
    fn read(bytes: &[u8]) -> Vec<String> {
        csv_lines(bytes).unwrap().map(|line| shown(&line)).collect()
    }

    pub(in crate::commands::import) fn shown(line: &ImportLine) -> String {
        match &line.result {
            Ok(it) => {
                let code = it.code.as_ref().map_or("", |code| code.as_str());
                let kind = it.ticket_type.as_deref().unwrap_or_default();
                let external = it.external_id.as_deref().unwrap_or_default();
                let note = it.person.note.as_deref().unwrap_or_default();
                let person = &it.person;
                format!(
                    "{} {}|{}|{}|{code}|{kind}|{external}|{note}",
                    line.line, person.first_name, person.last_name, person.email
                )
            }
            Err(problem) => format!("{} !{}", line.line, problem.code),
        }
    }

    #[test]
    fn a_plain_list_loads() {
        assert_eq!(
            read(&fixture("plain.csv")),
            [
                "2 Ana|Ruiz|ana.ruiz@example.org|AR-1|||",
                "3 Björn|Ödegård|bjorn@example.org|BO-2|||",
                "4 Chidi|Okafor||CO-3|||",
                "6 !invalid_field",
                "7 !invalid_field",
                "8 Dora|Novák|dora@example.org||||",
            ]
        );
    }

    #[test]
    fn a_pretix_check_in_list_loads() {
        assert_eq!(
            read(&fixture("pretix-checkin-list.csv")),
            [
                "2 Ana|Ruiz|ana.ruiz@example.org|7kq2mzv9xw3r|Regular – Reduced|QX7AB|",
                "3 Ludwig|van Houten|ludwig@example.org|p4ndt8yh6c2j|Regular|QX7AC|Needs a chair\nnear the stage",
                "5 Mira|Schön||w9fjx3kq7t5b|VIP|QX7AD|",
            ]
        );
    }

    #[test]
    fn pretix_order_positions_load_without_cancelled_orders() {
        assert_eq!(
            read(&fixture("pretix-order-positions.csv")),
            [
                "2 Ana|Ruiz|ana.ruiz@example.org|7kq2mzv9xw3r|Regular – Reduced|QX7AB-1|",
                "3 Otto|Beispiel|buyer@example.org|p4ndt8yh6c2j|Regular|QX7AB-2|",
                "4 !cancelled",
                "5 !cancelled",
            ]
        );
    }

    #[test]
    fn pretix_orders_load_without_codes() {
        assert_eq!(
            read(&fixture("pretix-orders.csv")),
            ["2 Ana|Ruiz|ana.ruiz@example.org|||QX7AB|", "3 !cancelled",]
        );
    }

    #[test]
    fn a_hi_events_attendee_export_loads() {
        assert_eq!(
            read(&fixture("hi-events-attendees.csv")),
            [
                "2 Ana|Ruiz|ana.ruiz@example.org|A-3F9K2LM|General admission|101|",
                "3 Ludwig|van Houten|ludwig@example.org|A-8H2XQ4T|VIP - Early bird|102|Allergic to nuts",
                "4 !cancelled",
            ]
        );
    }

    #[test]
    fn a_german_spreadsheet_in_windows_1252_loads() {
        assert_eq!(
            read(&fixture("deutsch-windows-1252.csv")),
            [
                "2 Jürgen|Groß|juergen@example.org|T-1|Tageskarte||",
                "3 Zoë|von der Au|zoe@example.org|T-2|Tageskarte||kommt später",
            ]
        );
    }

    #[test]
    fn utf_16_with_tabs_loads() {
        assert_eq!(
            read(&fixture("unicode-text-utf-16.txt")),
            ["2 Ana|Ruiz|ana.ruiz@example.org|AR-1|||"]
        );
    }

    #[test]
    fn lines_are_numbered_as_an_editor_does() {
        let text = b"sep=;\r\nname;note\r\n\r\nAna Ruiz;\"one\r\ntwo\"\r\n\r\n;\r\nBo Li;\r\n";
        assert_eq!(read(text), ["4 Ana|Ruiz|||||one\r\ntwo", "8 Bo|Li|||||"]);
    }

    #[test]
    fn a_quote_that_never_closes_costs_its_own_line_alone() {
        let text =
            b"name,code\r\nAna Ruiz,A\r\n\r\n\"Bo Li,B\r\nCy Moe,C\r\n\"Dee \"\"D\"\" Poe\",D\r\n";
        assert_eq!(
            read(text),
            [
                "2 Ana|Ruiz||A|||",
                "4 !unclosed_quote",
                "5 Cy|Moe||C|||",
                "6 Dee \"D\"|Poe||D|||"
            ]
        );
        assert_eq!(read(b"name,code\n\"Ana Ruiz,A"), ["2 !unclosed_quote"]);
        assert_eq!(read(b"name\n12\" Cy Moe"), ["2 12\" Cy|Moe|||||"]);
        assert_eq!(read(b"name\n\"Ana\" Moe\"\n"), ["2 Ana|Moe\"|||||"]);
    }

    #[test]
    fn quotes_without_end_are_looked_for_only_so_often() {
        let mut text = b"name,code,note\n".to_vec();
        text.extend_from_slice(&b"a\"b,x,\"c\n".repeat(UNCLOSED_QUOTES_MAX * 3));
        assert_eq!(read(&text).len(), UNCLOSED_QUOTES_MAX + 1);
    }

    #[test]
    fn only_orders_that_hold_are_taken() {
        let refused = [
            "canceled",
            "Cancelled",
            "c",
            "E",
            "expired",
            "storniert",
            "Canceled (paid fee)",
        ];
        assert!(refused.iter().all(|status| check_status(status).is_err()));
        assert!(
            ["paid", "pending", "ACTIVE", "n", "p", "bezahlt"]
                .iter()
                .all(|status| check_status(status).is_ok())
        );
    }

    #[test]
    fn a_line_with_more_fields_than_the_header_is_refused() {
        assert_eq!(
            read(b"first_name,last_name\nAna,Ruiz,Lopez\nAna\n"),
            ["2 !too_many_fields", "3 Ana||||||"]
        );
    }

    #[test]
    fn whole_names_are_split_where_the_family_name_begins() {
        let split = |name| {
            let (first, last) = split_name(name);
            format!("{}|{}", first.unwrap_or_default(), last.unwrap_or_default())
        };
        assert_eq!(split("Ana Ruiz"), "Ana|Ruiz");
        assert_eq!(split("Ana María Ruiz"), "Ana María|Ruiz");
        assert_eq!(split("Ruiz Gómez, Ana"), "Ana|Ruiz Gómez");
        assert_eq!(split("Zoë von der Au"), "Zoë|von der Au");
        assert_eq!(split("Van Morrison"), "Van|Morrison");
        assert_eq!(split("Cher"), "Cher|");
        assert_eq!(split("  "), "|");
    }

    #[test]
    fn an_empty_file_and_a_header_alone() {
        assert_eq!(csv_lines(b"").err(), Some(HeaderProblem::Empty));
        assert_eq!(csv_lines(b"\n\n").err(), Some(HeaderProblem::Empty));
        assert!(read(b"name").is_empty());
    }
}
