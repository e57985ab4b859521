//! NDJSON into registrations: the body of the register request, one a line.

use serde_json::{Map, Value};

use super::{ImportLine, LineProblem, text};
use crate::commands::register::{RawRegister, RawUser, Register};

/// Longest unknown field name that a message repeats, characters.
const KEY_CHARS_MAX: usize = 64;

/// The records of a list, in order.
pub struct NdjsonLines {
    text: String,
    at: usize,
    line: u64,
}

#[must_use]
pub fn ndjson_lines(bytes: &[u8]) -> NdjsonLines {
    NdjsonLines {
        text: text::decode(bytes),
        at: 0,
        line: 0,
    }
}

impl Iterator for NdjsonLines {
    type Item = ImportLine;

    fn next(&mut self) -> Option<ImportLine> {
        loop {
            let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
            let line = rest.split_once('\n').map_or(rest, |(line, _)| line);
            self.at += line.len() + 1;
            self.line += 1;
            if !line.trim().is_empty() {
                return Some(ImportLine {
                    line: self.line,
                    result: register(line),
                });
            }
        }
    }
}

fn register(line: &str) -> Result<Register, LineProblem> {
    // Read by hand: serde's own messages repeat values.
    let Ok(Value::Object(mut fields)) = serde_json::from_str::<Value>(line) else {
        return Err(problem(
            "invalid_json",
            "the line must be one JSON object".to_owned(),
        ));
    };
    let user = match fields.remove("user") {
        None | Some(Value::Null) => None,
        Some(Value::Object(mut user)) => {
            let names = RawUser {
                first_name: take(&mut user, "first_name")?,
                last_name: take(&mut user, "last_name")?,
                email: take(&mut user, "email")?,
            };
            nothing_left(&user)?;
            Some(names)
        }
        Some(_) => {
            return Err(problem(
                "invalid_field",
                "user: must be an object".to_owned(),
            ));
        }
    };
    let event_pax_id = match take(&mut fields, "event_pax_id")? {
        Some(code) => Some(code),
        None => take(&mut fields, "code")?,
    };
    let raw = RawRegister {
        first_name: take(&mut fields, "first_name")?,
        last_name: take(&mut fields, "last_name")?,
        email: take(&mut fields, "email")?,
        event_pax_id,
        ticket_type: take(&mut fields, "ticket_type")?,
        external_id: take(&mut fields, "external_id")?,
        note: take(&mut fields, "note")?,
        user,
    };
    nothing_left(&fields)?;
    Ok(Register::parse(raw)?)
}

fn take(fields: &mut Map<String, Value>, field: &str) -> Result<Option<String>, LineProblem> {
    match fields.remove(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(problem(
            "invalid_field",
            format!("{field}: must be a string"),
        )),
    }
}

fn nothing_left(fields: &Map<String, Value>) -> Result<(), LineProblem> {
    match fields.keys().next() {
        None => Ok(()),
        Some(key) => {
            let key: String = key
                .chars()
                .filter(|c| !c.is_control())
                .take(KEY_CHARS_MAX)
                .collect();
            Err(problem(
                "unknown_field",
                format!("{key}: is not a field of a registration"),
            ))
        }
    }
}

const fn problem(code: &'static str, detail: String) -> LineProblem {
    LineProblem { code, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_registration_or_a_reason() {
        let file = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/imports/register.ndjson"
        );
        let lines: Vec<_> = ndjson_lines(&std::fs::read(file).unwrap())
            .map(|line| match line.result {
                Ok(it) => {
                    let code = it.code.as_ref().map_or("", |code| code.as_str()).to_owned();
                    format!(
                        "{} {}|{}|{code}",
                        line.line, it.person.first_name, it.person.last_name
                    )
                }
                Err(problem) => format!("{} !{} {}", line.line, problem.code, problem.detail),
            })
            .collect();
        assert_eq!(
            lines,
            [
                "1 Ana|Ruiz|AR-1",
                "2 Bo|Li|BL-2",
                "4 !invalid_json the line must be one JSON object",
                "5 !invalid_field email: must be a string",
                "6 !unknown_field shoe_size: is not a field of a registration",
                "7 !invalid_field first_name: first_name or last_name must be given",
            ]
        );
    }
}
