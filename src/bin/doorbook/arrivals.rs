//! `doorbook arrivals`: how many came when through which gate, as numbers or as a picture for a report, now or as
//! of an earlier moment.
//!
//! Not here: what is drawn (`projections::arrivals::picture`).

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use chrono_tz::Tz;
use clap::Args;
use doorbook::{
    events::{
        ids::{GatheringId, Offset},
        time::Timestamp,
    },
    projections::{
        arrivals::{
            ArrivalCounts, Arrivals, BUCKET_SECONDS_MAX, BUCKET_SECONDS_MIN, Form,
            picture::{self, Caption},
        },
        as_of::{ArrivalsThen, AsOf},
        views::ViewError,
    },
};
use serde_json::{Value, json};

use crate::{
    entries::{printable, text},
    failure::Failure,
    local::Local,
    output::{self, say},
    place::{Place, PlaceArgs},
};

/// How many came when through which gate
///
/// Admissions that were not taken back, by the time at the door; who comes back after leaving arrives again.
#[derive(Debug, Args)]
pub(crate) struct ArrivalsArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// The gathering
    #[arg(value_name = "ID")]
    event: GatheringId,
    #[command(flatten)]
    span: Span,
    /// Draw them into this file as SVG
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    plot: Option<PathBuf>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Which arrivals, and how they are put together.
#[derive(Debug, Default, Args)]
pub(crate) struct Span {
    /// Seconds in a bucket, a multiple of 60; the shortest that shows the whole span when left out
    #[arg(long, value_name = "SECONDS", value_parser = bucket)]
    bucket: Option<u32>,
    /// Arrivals in this minute or later
    #[arg(long, value_name = "TIME", value_parser = Timestamp::parse)]
    since: Option<Timestamp>,
    /// Arrivals in minutes before this one
    #[arg(long, value_name = "TIME", value_parser = Timestamp::parse)]
    until: Option<Timestamp>,
    /// As it was right after this offset, or at this time (RFC 3339)
    #[arg(long, value_name = "WHEN")]
    as_of: Option<AsOf>,
}

pub(crate) fn run(args: &ArrivalsArgs) -> Result<(), Failure> {
    let place = args.place.place()?;
    if let Some(file) = &args.plot {
        return plot(place, args.event, &args.span, file);
    }
    let answer = match place {
        Place::Directory(dir) => {
            let local = Local::open(&dir)?;
            let answer = numbers(&local, args)?;
            local.close()?;
            answer
        }
        Place::Server(server) => server.get(&path(args.event), &args.span.query())?,
    };
    if args.json {
        return output::json(&answer);
    }
    lines(&answer)?.iter().try_for_each(output::data)
}

/// Draws the arrivals into a file.
pub(crate) fn plot(
    place: Place,
    event: GatheringId,
    span: &Span,
    file: &Path,
) -> Result<(), Failure> {
    let svg = match place {
        Place::Directory(dir) => {
            let local = Local::open(&dir)?;
            let svg = drawn(&local, event, span)?;
            local.close()?;
            svg.into_bytes()
        }
        Place::Server(server) => {
            let mut query = span.query();
            query.push(("format", "svg".to_owned()));
            let mut svg = Vec::new();
            server.download(&path(event), &query, &mut svg)?;
            svg
        }
    };
    std::fs::write(file, svg).map_err(Failure::output)?;
    say(format_args!("drawn into {}", file.display()));
    Ok(())
}

fn path(event: GatheringId) -> String {
    format!("/api/events/{event}/arrivals/")
}

/// What a server answers, from the directory.
fn numbers(local: &Local, args: &ArrivalsArgs) -> Result<Value, Failure> {
    let counted = Counted::of(local, args.event, args.span.as_of)?;
    let arrivals = args.span.bucketed(&counted, Form::Numbers)?;
    let mut answer = serde_json::to_value(arrivals).map_err(Failure::check)?;
    answer["event_id"] = json!(args.event);
    answer["time_zone"] = json!(counted.zone.name());
    answer["offset"] = json!(counted.offset);
    Ok(answer)
}

fn drawn(local: &Local, event: GatheringId, span: &Span) -> Result<String, Failure> {
    let counted = Counted::of(local, event, span.as_of)?;
    let arrivals = span.bucketed(&counted, Form::Picture)?;
    let recorded = local.log.get(counted.at).map_err(Failure::check)?;
    let caption = Caption {
        title: &counted.title,
        zone: counted.zone,
        offset: counted.at,
        moment: recorded.map_or_else(Timestamp::default, |event| event.recorded_at),
    };
    Ok(picture::svg(&arrivals, &caption))
}

/// The arrivals of a gathering at a moment.
struct Counted {
    title: String,
    zone: Tz,
    counts: ArrivalCounts,
    /// The gathering's last event that is counted.
    offset: Offset,
    /// The moment that was asked for.
    at: Offset,
}

impl Counted {
    fn of(local: &Local, event: GatheringId, as_of: Option<AsOf>) -> Result<Self, Failure> {
        let row = local.views.row(event);
        let row = row.ok_or_else(|| Failure::check(ViewError::UnknownGathering))?;
        let (then, at) = match as_of {
            None => {
                let now = ArrivalsThen {
                    details: row.details.clone(),
                    counts: row.arrivals.clone(),
                    offset: row.offset,
                };
                (now, row.offset)
            }
            Some(as_of) => {
                let at = local.moment(as_of)?;
                (local.ask(local.views.arrivals_as_of(event, at))?, at)
            }
        };
        Ok(Self {
            title: then.details.name.to_string(),
            zone: then.details.time_zone,
            counts: then.counts,
            offset: then.offset,
            at,
        })
    }
}

impl Span {
    pub(crate) fn between(since: Option<Timestamp>, until: Option<Timestamp>) -> Self {
        Self {
            since,
            until,
            ..Self::default()
        }
    }

    fn bucketed(&self, counted: &Counted, form: Form) -> Result<Arrivals, Failure> {
        Arrivals::new(&counted.counts, form, self.bucket, self.since, self.until)
            .map_err(|error| Failure::usage(format!("--bucket {error}")))
    }

    fn query(&self) -> Vec<(&'static str, String)> {
        [
            ("bucket", self.bucket.map(|bucket| bucket.to_string())),
            ("since", self.since.map(|since| since.to_string())),
            ("until", self.until.map(|until| until.to_string())),
            ("as_of", self.as_of.map(|as_of| as_of.to_string())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

/// `2026-05-01 20:00 +02:00       3  north 2, south 1`, buckets without an arrival left out.
fn lines(answer: &Value) -> Result<Vec<String>, Failure> {
    let zone: Tz = text(answer, "time_zone").parse().map_err(Failure::check)?;
    let list = |of: &Value, field: &str| of[field].as_array().cloned().unwrap_or_default();
    let gates = list(answer, "gates");
    let mut lines = Vec::new();
    let mut sums: BTreeMap<usize, u64> = BTreeMap::new();
    let by_gate = |counts: &[(usize, u64)]| {
        let parts = counts.iter().filter(|(_, count)| *count > 0);
        let parts = parts.map(|(gate, count)| {
            let name = gates.get(*gate).and_then(Value::as_str);
            let name: String = (name.unwrap_or("no gate named").chars())
                .map(printable)
                .collect();
            format!("{name} {count}")
        });
        parts.collect::<Vec<_>>().join(", ")
    };
    for bucket in list(answer, "buckets") {
        let counts = list(&bucket, "counts");
        let counts: Vec<(usize, u64)> = (counts.iter().enumerate())
            .map(|(gate, count)| (gate, count.as_u64().unwrap_or_default()))
            .collect();
        for (gate, count) in &counts {
            *sums.entry(*gate).or_default() += count;
        }
        let total = bucket["total"].as_u64().unwrap_or_default();
        if total > 0 {
            let start = Timestamp::parse(text(&bucket, "start")).map_err(Failure::refused)?;
            let local = start.to_datetime().with_timezone(&zone);
            let start = local.format("%Y-%m-%d %H:%M %:z");
            lines.push(format!("{start} {total:>7}  {}", by_gate(&counts)));
        }
    }
    let sums: Vec<_> = sums.into_iter().collect();
    lines.push(format!(
        "{:<23} {:>7}  {}",
        format!("as of offset {}", answer["offset"]),
        answer["total"].to_string(),
        by_gate(&sums)
    ));
    Ok(lines)
}

fn bucket(text: &str) -> Result<u32, String> {
    let allowed = BUCKET_SECONDS_MIN..=BUCKET_SECONDS_MAX;
    let seconds = text.parse::<u32>().ok();
    seconds
        .filter(|seconds| allowed.contains(seconds) && seconds.is_multiple_of(BUCKET_SECONDS_MIN))
        .ok_or_else(|| {
            format!("must be a multiple of {BUCKET_SECONDS_MIN} s, at most {BUCKET_SECONDS_MAX} s")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_in_the_local_time_of_the_gathering_and_end_with_the_sums() {
        let shown = lines(&json!({
            "time_zone": "Europe/Berlin", "offset": 9, "total": 4, "gates": ["north\u{1b}", null],
            "buckets": [
                {"start": "2026-05-01T18:00:00Z", "total": 3, "counts": [2, 1]},
                {"start": "2026-05-01T18:01:00Z", "total": 0, "counts": [0, 0]},
                {"start": "2026-05-01T18:02:00Z", "total": 1, "counts": [0, 1]},
            ],
        }));
        assert_eq!(
            shown.unwrap(),
            [
                "2026-05-01 20:00 +02:00       3  north\u{fffd} 2, no gate named 1",
                "2026-05-01 20:02 +02:00       1  no gate named 1",
                "as of offset 9                4  north\u{fffd} 2, no gate named 2",
            ]
        );
    }
}
