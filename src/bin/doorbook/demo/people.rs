//! The invented guests of the demo: names, addresses and tickets, the same for the same number on every
//! run, so that importing them again adds nobody. Nobody here exists; every address is at example.org.

use serde::Serialize;

const FIRST_NAMES: &[&str] = &[
    "Aaliyah",
    "Ana Sofía",
    "Anaïs",
    "Ngọc Ánh",
    "Asha",
    "Åsa",
    "Babajide",
    "Beyoncé-Louise",
    "Björn",
    "Chiara",
    "Chloé",
    "Dmitri",
    "Đorđe",
    "Eilidh",
    "Émile",
    "Erdoğan",
    "Fatoumata",
    "François",
    "Gülşen",
    "Hana",
    "Haruto",
    "Ignacio",
    "Ingrid",
    "İpek",
    "Jamal",
    "Jiří",
    "João",
    "Kwame",
    "Layla",
    "Léa",
    "Łukasz",
    "Mahmoud",
    "Mei-Ling",
    "Mikołaj",
    "Niamh",
    "Noor",
    "Nuñez",
    "Oluwaseun",
    "Øyvind",
    "Paulo",
    "Priya",
    "Quang",
    "Rachel",
    "Ruairí",
    "Søren",
    "Sunita",
    "Tāne",
    "Thandiwe",
    "Ülkü",
    "Valentina",
    "Wanjiru",
    "Xiomara",
    "Yael",
    "Yūki",
    "Zoë",
    "Žofia",
    "Ольга",
    "Γιώργος",
    "美咲",
    "سلمى",
];

const LAST_NAMES: &[&str] = &[
    "Abdullahi",
    "Åkerström",
    "Andersson",
    "Baptiste",
    "Bello",
    "Brâncuși",
    "Castañeda",
    "Çelik",
    "Chaudhary",
    "Chukwu",
    "D’Angelo",
    "da Conceição",
    "Dvořák",
    "El-Amin",
    "Fernández",
    "Fitzgerald",
    "García Márquez",
    "Grünwald",
    "Hakimi",
    "Håkansson",
    "Ibáñez",
    "Jóhannsdóttir",
    "Kaczyński",
    "Karlsson",
    "Khumalo",
    "Kovačević",
    "Lefèvre",
    "Le Guin",
    "MacGregor",
    "Mbeki",
    "Mehta",
    "Müller",
    "N’Diaye",
    "Nakamura",
    "Nguyễn",
    "Novák",
    "Ó Briain",
    "Oyelaran",
    "Papadopoulou",
    "Park",
    "Quispe",
    "Rasmussen",
    "Sánchez",
    "Schäfer",
    "Şahin",
    "Tagaloa",
    "Tkachenko",
    "van der Berg",
    "Villeneuve",
    "Wójcik",
    "Yılmaz",
    "Zhang",
];

/// Two guests that every screen has to survive.
const LONG_NAME: (&str, &str) = (
    "Maria-Magdalena Theodora Alexandra Philippa Konstantina",
    "von und zu Hohenberg-Schwarzenfels-Oberwittelsbach und Niederwaldkirchen",
);
const MARKUP_NAME: (&str, &str) = ("<b>Bobby</b> & \"Co\"", "O'<script>alert(1)</script>");

const LONG_NAME_AT: usize = 7;
const MARKUP_NAME_AT: usize = 13;

/// A line of the attendee list, as the import takes it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Guest {
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) email: String,
    pub(crate) event_pax_id: String,
    pub(crate) ticket_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<&'static str>,
}

/// Guest number `number` of the gathering whose codes start with `prefix`.
pub(crate) fn guest(prefix: &str, number: usize) -> Guest {
    // Both lists are walked by numbers that share no factor with their lengths (60 and 52), so that
    // the first 780 guests all have different names.
    let (first, last) = match number {
        LONG_NAME_AT => LONG_NAME,
        MARKUP_NAME_AT => MARKUP_NAME,
        _ => (
            FIRST_NAMES[number * 7 % FIRST_NAMES.len()],
            LAST_NAMES[number * 11 % LAST_NAMES.len()],
        ),
    };
    Guest {
        first_name: first.to_owned(),
        last_name: last.to_owned(),
        email: format!("guest{number}@example.org"),
        event_pax_id: code(prefix, number),
        ticket_type: match number % 10 {
            0 => "Speaker",
            1 | 2 => "Student",
            _ => "Standard",
        },
        note: (number % 97 == 5).then_some("Needs the step-free entrance"),
    }
}

/// The attendee list as NDJSON.
pub(crate) fn attendee_list(prefix: &str, people: usize) -> Result<String, serde_json::Error> {
    let mut list = String::new();
    for number in 0..people {
        list.push_str(&serde_json::to_string(&guest(prefix, number))?);
        list.push('\n');
    }
    Ok(list)
}

/// Number, then two letters that depend on it: a mistyped digit does not hit the next guest.
fn code(prefix: &str, number: usize) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ";
    let mixed = (number + 1).wrapping_mul(0x9E37_79B1) >> 7;
    let letter = |value: usize| char::from(LETTERS[value % LETTERS.len()]);
    format!(
        "{prefix}-{:04}-{}{}",
        number + 1,
        letter(mixed),
        letter(mixed / LETTERS.len())
    )
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn five_hundred_guests_have_codes_and_names_of_their_own() {
        let guests: Vec<Guest> = (0..500).map(|number| guest("FAIR", number)).collect();
        let codes: HashSet<&str> = guests
            .iter()
            .map(|guest| guest.event_pax_id.as_str())
            .collect();
        let names: HashSet<(&str, &str)> = guests
            .iter()
            .map(|guest| (guest.first_name.as_str(), guest.last_name.as_str()))
            .collect();
        assert_eq!((codes.len(), names.len()), (500, 500));
        assert!(
            guests
                .iter()
                .all(|guest| guest.email.ends_with("@example.org"))
        );
    }

    #[test]
    fn the_same_number_is_the_same_guest_on_every_run() {
        assert_eq!(
            attendee_list("FAIR", 20).unwrap(),
            attendee_list("FAIR", 20).unwrap()
        );
        assert_eq!(guest("FAIR", 0).event_pax_id, "FAIR-0001-DC");
    }
}
