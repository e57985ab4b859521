//! A history entry as a line for people; the entry itself is JSON, from a server or made from the log here.

use serde_json::Value;

/// `    42 2026-05-01T18:00:03Z participant_checked_in  FAIR-0001-DC @north by Asha (steward)`.
pub(crate) fn line(entry: &Value) -> String {
    let mut line = format!(
        "{:>8} {} {:<24}",
        entry
            .get("offset")
            .and_then(Value::as_u64)
            .unwrap_or_default(),
        text(entry, "recorded_at"),
        text(entry, "type"),
    );
    let mut add = |prefix: &str, word: &str| {
        if !word.is_empty() {
            line.push_str(prefix);
            line.extend(word.chars().map(printable));
        }
    };
    add(" ", text(entry, "event_pax_id"));
    add(" ", text(entry, "code"));
    add(" @", text(entry, "gate"));
    if let Some(actor) = entry.get("actor") {
        let name = text(actor, "name");
        add(
            " by ",
            if name.is_empty() {
                text(actor, "id")
            } else {
                name
            },
        );
        add(" as ", text(actor, "role"));
    }
    add(": ", text(entry, "reason"));
    for (field, word) in [("undone_by", " (undone at "), ("undoes", " (undoes ")] {
        if let Some(offset) = entry.get(field).and_then(Value::as_u64) {
            line.push_str(&format!("{word}{offset})"));
        }
    }
    line
}

/// Control characters in what people typed must not reach the terminal.
pub(crate) fn printable(character: char) -> char {
    if character.is_control() {
        '\u{fffd}'
    } else {
        character
    }
}

pub(crate) fn text<'a>(entry: &'a Value, field: &str) -> &'a str {
    entry.get(field).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_says_who_what_where_and_shows_no_control_characters() {
        let line = line(&json!({
            "offset": 42, "recorded_at": "2026-05-01T18:00:03Z", "type": "scan_refused",
            "event_pax_id": "FAIR-0001-DC", "code": "already_checked_in", "gate": "north\u{1b}[31m",
            "actor": {"id": "s1", "name": "Asha", "role": "steward"}, "reason": null, "undone_by": null,
        }));
        assert_eq!(
            line,
            "      42 2026-05-01T18:00:03Z scan_refused             FAIR-0001-DC already_checked_in \
             @north\u{fffd}[31m by Asha as steward"
        );
    }
}
