//! The rules of single fields: lengths, control characters, moments in a gathering's time zone.

use std::sync::Arc;

use chrono::{Duration, LocalResult, NaiveDateTime, Offset as _, TimeZone as _};
use chrono_tz::Tz;

use super::problem::Problem;
use crate::events::time::Timestamp;

pub(super) const GATE_CHARS_MAX: usize = 100;
pub(super) const DEVICE_CHARS_MAX: usize = 100;
pub(super) const REASON_CHARS_MAX: usize = 500;
pub(super) const USER_ID_CHARS_MAX: usize = crate::auth::SUBJECT_CHARS_MAX;
/// Longest search text and filter in a query, characters.
pub(super) const FILTER_CHARS_MAX: usize = 200;

/// A text that must say something.
///
/// # Errors
/// 422 when it is blank, too long, or holds a control character.
pub(super) fn text(field: &str, value: &str, chars_max: usize) -> Result<Arc<str>, Problem> {
    let value = value.trim();
    if value.is_empty() {
        return Err(Problem::field(field, "must not be empty"));
    }
    if value.chars().count() > chars_max {
        return Err(Problem::field(
            field,
            format!("must be at most {chars_max} characters"),
        ));
    }
    if value.chars().any(char::is_control) {
        return Err(Problem::field(field, "must not hold control characters"));
    }
    Ok(value.into())
}

/// A text that may be left out; a blank one counts as left out.
///
/// # Errors
/// As [`text`].
pub(super) fn optional_text(
    field: &str,
    value: Option<&str>,
    chars_max: usize,
) -> Result<Option<Arc<str>>, Problem> {
    match value {
        Some(value) if !value.trim().is_empty() => text(field, value, chars_max).map(Some),
        Some(_) | None => Ok(None),
    }
}

/// # Errors
/// 422 when no such time zone exists.
pub(super) fn time_zone(name: &str) -> Result<Tz, Problem> {
    name.parse()
        .map_err(|_| Problem::field("time_zone", "must be an IANA name such as Europe/Berlin"))
}

/// RFC 3339, or a local time of the gathering's zone: `2026-05-01T18:00`.
///
/// A local time that the clocks skip means the moment it would have been without the change
/// (02:30 becomes 03:30); one that they show twice means the first.
///
/// # Errors
/// 422 when it is neither.
pub(super) fn moment(field: &str, text: &str, zone: Tz) -> Result<Timestamp, Problem> {
    if let Ok(moment) = Timestamp::parse(text) {
        return Ok(moment);
    }
    [
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%d %H:%M",
    ]
    .iter()
    .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
    .filter(|local| (1..=9998).contains(&chrono::Datelike::year(local)))
    .and_then(|local| resolve(local, zone))
    .ok_or_else(|| {
        Problem::field(
            field,
            "must be RFC 3339 such as 2026-05-01T18:00:00Z, or local such as 2026-05-01T18:00",
        )
    })
}

/// For people at a door: the time, and the day when it is another than `beside`'s.
pub(super) fn local(moment: Timestamp, beside: Timestamp, zone: Tz) -> String {
    let (moment, beside) = (
        moment.to_datetime().with_timezone(&zone),
        beside.to_datetime().with_timezone(&zone),
    );
    let format = if moment.date_naive() == beside.date_naive() {
        "%H:%M"
    } else {
        "%H:%M on %a %-d %b"
    };
    moment.format(format).to_string()
}

fn resolve(local: NaiveDateTime, zone: Tz) -> Option<Timestamp> {
    let utc = match zone.from_local_datetime(&local) {
        LocalResult::Single(moment) | LocalResult::Ambiguous(moment, _) => moment.to_utc(),
        LocalResult::None => {
            let before = zone
                .from_local_datetime(&(local - Duration::hours(3)))
                .earliest()?;
            let offset = before.offset().fix();
            (local - offset).and_utc()
        }
    };
    Some(Timestamp::from_datetime(utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, zone: &str) -> String {
        moment("start_date", text, zone.parse().unwrap())
            .unwrap()
            .to_string()
    }

    #[test]
    fn a_local_time_is_taken_in_the_gatherings_zone() {
        assert_eq!(
            at("2026-05-01T18:00", "Europe/Berlin"),
            "2026-05-01T16:00:00Z"
        );
        assert_eq!(
            at("2026-05-01 18:00:30", "America/New_York"),
            "2026-05-01T22:00:30Z"
        );
        assert_eq!(
            at("2026-05-01T18:00:00+05:30", "Europe/Berlin"),
            "2026-05-01T12:30:00Z"
        );
    }

    #[test]
    fn a_skipped_time_moves_on_and_a_doubled_one_is_the_first() {
        assert_eq!(
            at("2026-03-29T02:30", "Europe/Berlin"),
            "2026-03-29T01:30:00Z"
        );
        assert_eq!(
            at("2026-10-25T02:30", "Europe/Berlin"),
            "2026-10-25T00:30:00Z"
        );
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "tomorrow",
            "2026-05-01",
            "2026-13-01T10:00",
            "2026-05-01T25:00",
            "99999-01-01T00:00",
            "+12026-01-01T00:00",
        ] {
            assert!(moment("start_date", text, Tz::UTC).is_err(), "{text}");
        }
    }

    #[test]
    fn a_text_has_a_length_and_no_control_characters() {
        assert_eq!(&*text("name", "  Gala ", 10).unwrap(), "Gala");
        for wrong in ["", "  ", "a\u{0}b", "a\nb", "12345678901"] {
            assert!(text("name", wrong, 10).is_err(), "{wrong:?}");
        }
        assert_eq!(optional_text("gate", Some(" "), 10).unwrap(), None);
    }

    #[test]
    fn people_read_the_time_and_the_day_only_when_it_is_another() {
        let zone: Tz = "Europe/Berlin".parse().unwrap();
        let evening = Timestamp::parse("2026-05-01T17:02:00Z").unwrap();
        assert_eq!(local(evening, evening.plus_seconds(60), zone), "19:02");
        assert_eq!(
            local(evening, evening.plus_seconds(86_400), zone),
            "19:02 on Fri 1 May"
        );
    }
}
