//! Which column means what: header names as pretix, Hi.Events, spreadsheets and people write
//! them, in English and German. Case, punctuation and order do not matter.

use thiserror::Error;

/// Where the fields of a registration are, as column numbers; the first with a value counts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) names: Vec<Name>,
    pub(super) email: Vec<usize>,
    pub(super) code: Vec<usize>,
    pub(super) ticket_type: Vec<usize>,
    /// Added to the ticket type (pretix sells products in variations).
    pub(super) variation: Vec<usize>,
    pub(super) external_id: Vec<usize>,
    /// An order and the position in it: together an external id.
    pub(super) order: Vec<usize>,
    pub(super) position: Vec<usize>,
    pub(super) note: Vec<usize>,
    pub(super) status: Vec<usize>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Name {
    Parts {
        first: Option<usize>,
        last: Option<usize>,
    },
    Whole(usize),
}

/// The list cannot be read at all. Speaks of header names that are known, never of anything else in
/// the file: a list without a header row has a person in its first line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HeaderProblem {
    #[error("the list is empty: the first line must name the columns")]
    Empty,
    #[error(
        "no column for the name: give first_name and last_name, or name (known columns: {}; other columns: {others})",
        if .found.is_empty() { "none".to_owned() } else { .found.join(", ") }
    )]
    NoName { found: Vec<String>, others: usize },
    #[error("the first line cannot be read as CSV")]
    Unreadable,
}

/// About whom a column is, in the order in which they are asked: the guest, nobody in particular, the buyer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    Attendee,
    Plain,
    Buyer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    FirstName,
    LastName,
    Name,
    Email,
    Code,
    TicketType,
    Variation,
    ExternalId,
    Order,
    Position,
    Note,
    Status,
}

const ATTENDEE: [&str; 8] = [
    "attendee",
    "teilnehmername",
    "teilnehmer",
    "teilnehmerin",
    "participant",
    "guest",
    "gast",
    "ticket holder",
];
const BUYER: [&str; 8] = [
    "invoice address",
    "rechnungsadresse",
    "buyer",
    "purchaser",
    "customer",
    "contact",
    "order",
    "billing",
];

// Normalised: lower case, one space between words. Within a field, the earlier name is asked first.
const FIRST_NAME: [&str; 6] = [
    "first name",
    "firstname",
    "given name",
    "givenname",
    "forename",
    "vorname",
];
const LAST_NAME: [&str; 8] = [
    "last name",
    "lastname",
    "family name",
    "familyname",
    "surname",
    "nachname",
    "familienname",
    "zuname",
];
const NAME: [&str; 6] = [
    "name",
    "full name",
    "fullname",
    "vollständiger name",
    "vor und nachname",
    "ganzer name",
];
const EMAIL: [&str; 9] = [
    "email",
    "e mail",
    "mail",
    "email address",
    "e mail address",
    "mail address",
    "e mail adresse",
    "emailadresse",
    "email adresse",
];
const CODE: [&str; 18] = [
    "event pax id",
    "code",
    "ticket secret",
    "secret",
    "public id",
    "ticket code",
    "ticketcode",
    "qr code",
    "qrcode",
    "qr",
    "barcode",
    "ticket barcode",
    "ticket number",
    "ticketnummer",
    "ticket nr",
    "ticket no",
    "geheimnis",
    "ticket geheimnis",
];
const TICKET_TYPE: [&str; 13] = [
    "ticket type",
    "tickettype",
    "tickettyp",
    "ticketart",
    "product name",
    "product",
    "produkt",
    "ticket name",
    "item",
    "ticket",
    "category",
    "kategorie",
    "type",
];
const VARIATION: [&str; 3] = ["variation", "variante", "product variation"];
const EXTERNAL_ID: [&str; 7] = [
    "external id",
    "externalid",
    "externe id",
    "reference",
    "referenz",
    "id",
    "short id",
];
const ORDER: [&str; 8] = [
    "order code",
    "order number",
    "order id",
    "order reference",
    "order",
    "bestellnummer",
    "bestellcode",
    "bestellung",
];
const POSITION: [&str; 2] = ["position id", "positions id"];
const NOTE: [&str; 9] = [
    "note",
    "notes",
    "comment",
    "comments",
    "notiz",
    "bemerkung",
    "bemerkungen",
    "kommentar",
    "anmerkung",
];
const STATUS: [&str; 5] = [
    "status",
    "order status",
    "ticket status",
    "bestellstatus",
    "attendee status",
];

const FIELDS: [(Field, &[&str]); 12] = [
    (Field::FirstName, &FIRST_NAME),
    (Field::LastName, &LAST_NAME),
    (Field::Name, &NAME),
    (Field::Email, &EMAIL),
    (Field::Code, &CODE),
    (Field::TicketType, &TICKET_TYPE),
    (Field::Variation, &VARIATION),
    (Field::ExternalId, &EXTERNAL_ID),
    (Field::Order, &ORDER),
    (Field::Position, &POSITION),
    (Field::Note, &NOTE),
    (Field::Status, &STATUS),
];

/// A column that is known, and how gladly it is used for its field (smaller first).
#[derive(Clone, Copy)]
struct Known {
    column: usize,
    field: Field,
    whose: Whose,
    rank: usize,
}

impl Columns {
    /// # Errors
    /// When there is no column with a name in it.
    pub(super) fn of<'a>(headers: impl Iterator<Item = &'a str>) -> Result<Self, HeaderProblem> {
        let headers: Vec<&str> = headers.collect();
        let mut known: Vec<Known> = headers
            .iter()
            .enumerate()
            .filter_map(|(column, header)| recognise(column, &normalised(header)))
            .collect();
        known.sort_by_key(|it| (it.whose, it.rank, it.column));
        let names = names(&known);
        if names.is_empty() {
            return Err(HeaderProblem::NoName {
                found: known
                    .iter()
                    .filter_map(|it| headers.get(it.column))
                    .map(|it| it.trim().to_owned())
                    .collect(),
                others: headers.len() - known.len(),
            });
        }
        let of = |field| {
            known
                .iter()
                .filter(|it| it.field == field)
                .map(|it| it.column)
                .collect()
        };
        Ok(Self {
            names,
            email: of(Field::Email),
            code: of(Field::Code),
            ticket_type: of(Field::TicketType),
            variation: of(Field::Variation),
            external_id: of(Field::ExternalId),
            order: of(Field::Order),
            position: of(Field::Position),
            note: of(Field::Note),
            status: of(Field::Status),
        })
    }
}

/// Lower case, words of letters and digits with one space between: `E-Mail` → `e mail`.
fn normalised(header: &str) -> String {
    let lower = header.to_lowercase();
    let words = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

fn recognise(column: usize, header: &str) -> Option<Known> {
    let found = |field, whose, rank| Known {
        column,
        field,
        whose,
        rank,
    };
    if let Some((field, rank)) = field_of(header) {
        return Some(found(field, Whose::Plain, rank));
    }
    let about = |prefixes: &[&str], whose| {
        prefixes.iter().find_map(|prefix| {
            let rest = header.strip_prefix(prefix)?;
            // "Teilnehmername" is the name itself; "Attendee name: Given name" names a part of it.
            let rest = match rest.strip_prefix(' ') {
                Some(rest) => rest,
                None if rest.is_empty() && prefix.ends_with("name") => "name",
                None => return None,
            };
            let part = rest.strip_prefix("name ").unwrap_or(rest);
            let (field, rank) = field_of(part)?;
            let personal = matches!(
                field,
                Field::FirstName | Field::LastName | Field::Name | Field::Email
            );
            (personal || whose == Whose::Attendee || field == Field::Note)
                .then(|| found(field, whose, rank))
        })
    };
    about(&ATTENDEE, Whose::Attendee).or_else(|| about(&BUYER, Whose::Buyer))
}

fn field_of(header: &str) -> Option<(Field, usize)> {
    FIELDS.iter().find_map(|(field, names)| {
        let rank = names.iter().position(|name| *name == header)?;
        Some((*field, rank))
    })
}

/// The sources of a name, best first: of each person the parts, then the whole.
fn names(known: &[Known]) -> Vec<Name> {
    let column = |field, whose| {
        known
            .iter()
            .find(|it| it.field == field && it.whose == whose)
            .map(|it| it.column)
    };
    let mut names = Vec::new();
    for whose in [Whose::Attendee, Whose::Plain, Whose::Buyer] {
        let (first, last) = (
            column(Field::FirstName, whose),
            column(Field::LastName, whose),
        );
        let whole = column(Field::Name, whose);
        match (first, last, whole) {
            // "Vorname, Name": beside a first name alone, the name is the last name.
            (Some(first), None, Some(name)) => names.push(Name::Parts {
                first: Some(first),
                last: Some(name),
            }),
            (first, last, whole) => {
                if first.is_some() || last.is_some() {
                    names.push(Name::Parts { first, last });
                }
                names.extend(whole.map(Name::Whole));
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(header: &str) -> Columns {
        Columns::of(header.split(',')).unwrap()
    }

    #[test]
    fn plain_headers_are_found_in_any_order_and_spelling() {
        let expected = Columns {
            names: vec![Name::Parts {
                first: Some(3),
                last: Some(1),
            }],
            email: vec![2],
            code: vec![0],
            ..Columns::default()
        };
        assert_eq!(columns("code,last_name,email,first_name"), expected);
        assert_eq!(columns("Ticketcode,Nachname,E-Mail,Vorname"), expected);
        assert_eq!(columns("CODE,LastName,EMAIL,FirstName"), expected);
    }

    #[test]
    fn the_attendee_goes_before_the_order_and_the_invoice() {
        let found = columns(
            "Email,Attendee name,Attendee name: Given name,Attendee name: Family name,Attendee email,Invoice address name,Order code,Position ID",
        );
        assert_eq!(found.email, [4, 0]);
        assert_eq!(
            found.names,
            [
                Name::Parts {
                    first: Some(2),
                    last: Some(3)
                },
                Name::Whole(1),
                Name::Whole(5)
            ]
        );
        assert_eq!((found.order, found.position), (vec![6], vec![7]));
    }

    #[test]
    fn beside_a_first_name_the_name_is_the_last_name() {
        assert_eq!(
            columns("Vorname,Name").names,
            [Name::Parts {
                first: Some(0),
                last: Some(1)
            }]
        );
        assert_eq!(columns("Teilnehmername,E-Mail").names, [Name::Whole(0)]);
    }

    #[test]
    fn a_list_without_names_says_what_is_missing_and_what_is_known() {
        let problem = Columns::of("E-Mail,Code,Shoe size".split(',')).unwrap_err();
        assert_eq!(
            problem.to_string(),
            "no column for the name: give first_name and last_name, or name (known columns: E-Mail, Code; other columns: 1)"
        );
    }

    #[test]
    fn a_list_without_a_header_row_does_not_leak_its_first_person() {
        let problem = Columns::of("Zebulon,Pike,zeb@example.org".split(','))
            .unwrap_err()
            .to_string();
        assert!(
            !problem.contains("Zebulon") && !problem.contains("example.org"),
            "{problem}"
        );
    }
}
