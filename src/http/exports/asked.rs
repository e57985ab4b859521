//! What a request for history asks for: a page, or a file in one form or another. `format` says it, and
//! where there is none, `Accept`.

use axum::http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Format, Shape, columns};
use crate::http::problem::Problem;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::http) enum Answer {
    Json,
    Csv,
    Xlsx,
    Ndjson,
}

/// The parameters that say how a file looks.
pub(in crate::http) struct Looks<'a> {
    pub(in crate::http) columns: Option<&'a str>,
    pub(in crate::http) tz: Option<&'a str>,
    pub(in crate::http) bom: Option<bool>,
    pub(in crate::http) trailer: Option<bool>,
}

impl Answer {
    /// # Errors
    /// 406 when `Accept` names nothing that there is.
    pub(in crate::http) fn of(format: Option<Self>, headers: &HeaderMap) -> Result<Self, Problem> {
        match format {
            Some(format) => Ok(format),
            None => accepted(headers),
        }
    }

    /// The file's shape; none for a page.
    ///
    /// # Errors
    /// 422 for what is not as it should be, or does not go with the format.
    pub(in crate::http) fn shape(self, looks: &Looks<'_>) -> Result<Option<Shape>, Problem> {
        let only = |name: &str, given: bool, formats: &str, here: bool| {
            if given && !here {
                Err(Problem::field(
                    name,
                    format!("goes with format={formats} only"),
                ))
            } else {
                Ok(())
            }
        };
        let format = match self {
            Self::Json => None,
            Self::Csv => Some(Format::Csv),
            Self::Xlsx => Some(Format::Xlsx),
            Self::Ndjson => Some(Format::Ndjson),
        };
        let (csv, xlsx) = (self == Self::Csv, self == Self::Xlsx);
        let (ndjson, file) = (self == Self::Ndjson, format.is_some());
        only(
            "columns",
            looks.columns.is_some(),
            "csv, xlsx or ndjson",
            file,
        )?;
        only("tz", looks.tz.is_some(), "csv or xlsx", csv || xlsx)?;
        only("bom", looks.bom.is_some(), "csv", csv)?;
        only(
            "trailer",
            looks.trailer.is_some(),
            "csv or ndjson",
            csv || ndjson,
        )?;
        let Some(format) = format else {
            return Ok(None);
        };
        let chosen = looks.columns.map(columns).transpose();
        let zone = looks.tz.map(str::parse).transpose();
        Ok(Some(Shape {
            format,
            columns: chosen.map_err(|unknown| Problem::field("columns", unknown))?,
            zone: zone
                .map_err(|_| Problem::field("tz", "must be an IANA name such as Europe/Berlin"))?,
            bom: looks.bom.unwrap_or(false),
            trailer: looks.trailer.unwrap_or(true),
        }))
    }
}

/// What is asked for most, and of equals the first that is named; JSON where anything will do.
fn accepted(headers: &HeaderMap) -> Result<Answer, Problem> {
    let mut best: Option<(u16, Answer)> = None;
    let mut given = false;
    for value in headers.get_all(header::ACCEPT) {
        for range in value.to_str().unwrap_or_default().split(',') {
            given |= !range.trim().is_empty();
            let Some((answer, weight)) = range_of(range) else {
                continue;
            };
            if weight > best.map_or(0, |(best, _)| best) {
                best = Some((weight, answer));
            }
        }
    }
    match best {
        Some((_, answer)) => Ok(answer),
        None if !given => Ok(Answer::Json),
        None => Err(Problem::new(
            StatusCode::NOT_ACCEPTABLE,
            "not_acceptable",
            format!(
                "there are application/json, text/csv, {} and application/x-ndjson; or say ?format=",
                Format::Xlsx.media_type()
            ),
        )),
    }
}

/// One range of an `Accept` header, with its weight in thousandths.
fn range_of(range: &str) -> Option<(Answer, u16)> {
    let mut parts = range.split(';').map(str::trim);
    let answer = match parts.next()?.to_ascii_lowercase().as_str() {
        "*/*" | "application/*" | "application/json" => Answer::Json,
        "text/csv" | "text/*" => Answer::Csv,
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Answer::Ndjson,
        media if media == Format::Xlsx.media_type() => Answer::Xlsx,
        _ => return None,
    };
    let weight = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    });
    Some((answer, weight.map_or(1_000, thousandths)))
}

/// `0.5` is 500; what is no weight weighs nothing.
fn thousandths(weight: &str) -> u16 {
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    let digits = format!("{fraction:0<3}");
    match (whole, digits.get(..3).map(str::parse::<u16>)) {
        ("1", _) => 1_000,
        ("0" | "", Some(Ok(fraction))) => fraction,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn accept_is_read_as_its_rfc_says() {
        let xlsx = Format::Xlsx.media_type();
        for (accept, answer) in [
            ("", Some(Answer::Json)),
            ("*/*", Some(Answer::Json)),
            ("text/csv", Some(Answer::Csv)),
            ("Text/CSV; charset=utf-8", Some(Answer::Csv)),
            (xlsx, Some(Answer::Xlsx)),
            ("application/x-ndjson", Some(Answer::Ndjson)),
            (
                "text/html,application/xhtml+xml,*/*;q=0.8",
                Some(Answer::Json),
            ),
            ("text/csv;q=0.2, application/json;q=0.9", Some(Answer::Json)),
            ("application/json;q=0.25, text/csv;q=0.5", Some(Answer::Csv)),
            ("text/csv, application/json", Some(Answer::Csv)),
            ("text/html", None),
            ("image/png, application/pdf", None),
            ("text/csv;q=0", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
            assert_eq!(Answer::of(None, &headers).ok(), answer, "{accept}");
            let asked = Answer::of(Some(Answer::Ndjson), &headers);
            assert_eq!(asked.ok(), Some(Answer::Ndjson), "format goes before");
        }
        assert_eq!(Answer::of(None, &HeaderMap::new()).ok(), Some(Answer::Json));
    }
}
