//! Arrivals by bucket of time and gate. An arrival is an admission that has not been taken back, at the moment it
//! happened at the door; somebody who comes back after leaving arrives again.
//!
//! `picture` draws them. Not here: where the counts come from ([`super::dashboard`] now, [`super::as_of`] then).

mod labels;
pub mod picture;

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use thiserror::Error;
use utoipa::ToSchema;

pub use super::as_of::ArrivalCounts;
use crate::events::time::Timestamp;

/// Most buckets in one answer: a week of minutes, about.
pub const BUCKETS_MAX: i64 = 10_000;
/// Most counts in one answer, which has one for each bucket and gate. What a gate is called, anybody at a door
/// may say, and as often as they like.
pub const CELLS_MAX: i64 = 1_000_000;
/// Seconds in the smallest bucket; every other one is a multiple of it.
pub const BUCKET_SECONDS_MIN: u32 = 60;
/// In the longest that may be asked for. Where nobody does, a wrong clock can make longer ones.
pub const BUCKET_SECONDS_MAX: u32 = 7 * 24 * 3600;
/// Lengths of a bucket that a reader can tell at a glance, minutes.
const BUCKET_MINUTES: [i64; 15] = [
    1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1_440, 10_080, 43_200, 525_600,
];

/// From the first bucket with an arrival to the last one, those between included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Arrivals {
    pub bucket_seconds: u64,
    pub total: u64,
    /// In the order of the counts; null: no gate was named.
    #[schema(value_type = Vec<Option<String>>)]
    pub gates: Vec<Option<Arc<str>>>,
    pub buckets: Vec<Bucket>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Bucket {
    /// A multiple of the bucket's length since 1970, in UTC.
    #[schema(value_type = String, format = DateTime)]
    pub start: Timestamp,
    pub total: u64,
    /// One for each gate.
    pub counts: Vec<u64>,
}

/// What the buckets are for, which says how many there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Numbers,
    Picture,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TooManyBuckets {
    #[error("must be at least {bucket_seconds_min} here: there may be {buckets_max} buckets")]
    Longer {
        bucket_seconds_min: u32,
        buckets_max: i64,
    },
    #[error(
        "cannot be long enough for all of it, as there may be {buckets_max} buckets: leave it out, or say `since` and `until`"
    )]
    Shorter { buckets_max: i64 },
}

impl Form {
    /// With so many gates. Two at least: a single minute may end one bucket and begin the next.
    fn buckets_max(self, gates: usize) -> i64 {
        let by_form = match self {
            Self::Numbers => BUCKETS_MAX,
            Self::Picture => picture::BARS_MAX,
        };
        let gates = i64::try_from(gates).unwrap_or(i64::MAX).max(1);
        by_form.min(CELLS_MAX / gates).max(2)
    }

    /// As many as are chosen where nobody says how long one is.
    fn chosen_max(self, gates: usize) -> i64 {
        let chosen = match self {
            Self::Numbers => BUCKETS_MAX,
            Self::Picture => picture::BARS_CHOSEN_MAX,
        };
        chosen.min(self.buckets_max(gates))
    }
}

/// The first and the last minute with an arrival.
#[derive(Clone, Copy)]
struct Span {
    first: i64,
    last: i64,
}

impl Span {
    fn buckets(self, minutes: i64) -> i64 {
        self.last.div_euclid(minutes) - self.first.div_euclid(minutes) + 1
    }

    /// The shortest of the usual lengths that makes at most so many buckets, which are two or more.
    fn chosen(self, buckets_max: i64) -> i64 {
        let years = self.fitting(buckets_max).div_euclid(525_600) + 1;
        (BUCKET_MINUTES.into_iter())
            .find(|minutes| self.buckets(*minutes) <= buckets_max)
            .unwrap_or(years * 525_600)
    }

    /// A length that makes at most so many buckets, which are two or more.
    fn fitting(self, buckets_max: i64) -> i64 {
        (self.last - self.first).div_euclid(buckets_max - 1) + 1
    }
}

impl Arrivals {
    /// Of the arrivals with since ≤ minute < until. `bucket_seconds` is a multiple of 60; none: the shortest
    /// usual length that fits.
    ///
    /// # Errors
    /// When there would be too many buckets.
    pub fn new(
        counts: &ArrivalCounts,
        form: Form,
        bucket_seconds: Option<u32>,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<Self, TooManyBuckets> {
        let counts: Vec<_> = (counts.iter())
            .filter(|((minute, _), _)| is_within(*minute, since, until))
            .map(|((minute, gate), count)| (*minute, gate, u64::from(*count)))
            .collect();
        let mut places: BTreeMap<_, _> = (counts.iter())
            // Gates by name, and last those who came in somewhere.
            .map(|(_, gate, _)| ((gate.is_none(), *gate), 0))
            .collect();
        for (place, (_, at)) in places.iter_mut().enumerate() {
            *at = place;
        }
        let span = counts.first().zip(counts.last());
        let span = span.map(|((first, ..), (last, ..))| Span {
            first: *first,
            last: *last,
        });
        let minutes = length(form, bucket_seconds, span, places.len())?;
        let mut arrivals = Self {
            bucket_seconds: minutes.unsigned_abs() * u64::from(BUCKET_SECONDS_MIN),
            total: 0,
            gates: places.keys().map(|(_, gate)| (*gate).clone()).collect(),
            buckets: Vec::new(),
        };
        let Some(span) = span else {
            return Ok(arrivals);
        };
        let empty = |bucket: i64| Bucket {
            start: Timestamp(bucket.saturating_mul(minutes).saturating_mul(60_000_000)),
            total: 0,
            counts: vec![0; places.len()],
        };
        let first = span.first.div_euclid(minutes);
        arrivals.buckets = (first..first + span.buckets(minutes)).map(empty).collect();
        for (minute, gate, count) in &counts {
            let place = usize::try_from(minute.div_euclid(minutes) - first).ok();
            let bucket = place.and_then(|place| arrivals.buckets.get_mut(place));
            let gate = places.get(&(gate.is_none(), *gate));
            if let (Some(bucket), Some(gate)) = (bucket, gate) {
                bucket.total += count;
                bucket.counts[*gate] += count;
                arrivals.total += count;
            }
        }
        Ok(arrivals)
    }
}

/// Of a bucket, minutes: known to fit before there is one.
fn length(
    form: Form,
    bucket_seconds: Option<u32>,
    span: Option<Span>,
    gates: usize,
) -> Result<i64, TooManyBuckets> {
    let asked = bucket_seconds.map(|seconds| i64::from(seconds / BUCKET_SECONDS_MIN).max(1));
    let buckets_max = form.buckets_max(gates);
    match (asked, span) {
        (asked, None) => Ok(asked.unwrap_or(1)),
        (None, Some(span)) => Ok(span.chosen(form.chosen_max(gates))),
        (Some(minutes), Some(span)) if span.buckets(minutes) <= buckets_max => Ok(minutes),
        (Some(_), Some(span)) => {
            let seconds = u32::try_from(span.fitting(buckets_max).saturating_mul(60));
            let would_do = seconds.ok().filter(|would| *would <= BUCKET_SECONDS_MAX);
            Err(match would_do {
                Some(bucket_seconds_min) => TooManyBuckets::Longer {
                    bucket_seconds_min,
                    buckets_max,
                },
                None => TooManyBuckets::Shorter { buckets_max },
            })
        }
    }
}

/// since ≤ minute < until.
fn is_within(minute: i64, since: Option<Timestamp>, until: Option<Timestamp>) -> bool {
    let at = Timestamp(minute.saturating_mul(60_000_000));
    since.is_none_or(|since| at >= since) && until.is_none_or(|until| at < until)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(of: &[(i64, Option<&str>, u32)]) -> ArrivalCounts {
        (of.iter())
            .map(|(minute, gate, count)| ((*minute, gate.map(Arc::from)), *count))
            .collect()
    }

    #[test]
    fn minutes_are_summed_into_buckets_and_the_empty_ones_between_are_there() {
        let of = counts(&[
            (119, Some("south"), 2),
            (120, None, 1),
            (124, Some("north"), 3),
            (131, Some("north"), 4),
        ]);
        let arrivals = Arrivals::new(&of, Form::Numbers, Some(300), None, None).unwrap();
        assert_eq!(arrivals.total, 10);
        let gates: Vec<_> = arrivals.gates.iter().map(Option::as_deref).collect();
        assert_eq!(gates, [Some("north"), Some("south"), None]);
        let rows: Vec<_> = (arrivals.buckets.iter())
            .map(|bucket| (bucket.start.0 / 60_000_000, bucket.total, &*bucket.counts))
            .collect();
        assert_eq!(
            rows,
            [
                (115, 2, &[0, 2, 0][..]),
                (120, 4, &[3, 0, 1]),
                (125, 0, &[0, 0, 0]),
                (130, 4, &[4, 0, 0]),
            ]
        );
        let part = Arrivals::new(
            &of,
            Form::Numbers,
            None,
            Some(Timestamp(120 * 60_000_000)),
            Some(Timestamp(131 * 60_000_000)),
        );
        assert_eq!(part.unwrap().total, 4);
        assert_eq!(
            Arrivals::new(&counts(&[]), Form::Numbers, None, None, None)
                .unwrap()
                .buckets,
            []
        );
    }

    #[test]
    fn a_span_too_long_for_the_bucket_says_which_bucket_would_do() {
        for (last, form, most) in [
            (1_000_000, Form::Numbers, 10_000),
            (1_000, Form::Picture, 480),
        ] {
            let of = counts(&[(0, None, 1), (last, None, 1)]);
            let refused = Arrivals::new(&of, form, Some(60), None, None).unwrap_err();
            let TooManyBuckets::Longer {
                bucket_seconds_min, ..
            } = refused
            else {
                panic!("{refused}")
            };
            let arrivals = Arrivals::new(&of, form, Some(bucket_seconds_min), None, None).unwrap();
            assert_eq!(arrivals.total, 2);
            assert!(arrivals.buckets.len() <= most);
        }
        // Nothing that may be asked for would do.
        let of = counts(&[(0, None, 1), (29_637_000, None, 1)]);
        let refused = Arrivals::new(&of, Form::Picture, Some(604_800), None, None).unwrap_err();
        assert_eq!(refused, TooManyBuckets::Shorter { buckets_max: 480 });
    }

    #[test]
    fn many_gates_leave_fewer_buckets_to_an_answer() {
        let names: Vec<String> = (0..5_000).map(|n| format!("gate {n}")).collect();
        let mut of: ArrivalCounts = (0_i64..)
            .zip(&names)
            .map(|(n, name)| ((n % 900, Some(Arc::from(name.as_str()))), 1))
            .collect();
        let refused = Arrivals::new(&of, Form::Numbers, Some(60), None, None).unwrap_err();
        assert_eq!(
            refused,
            TooManyBuckets::Longer {
                bucket_seconds_min: 300,
                buckets_max: 200
            }
        );
        of.insert((29_637_000, None), 1);
        for form in [Form::Numbers, Form::Picture] {
            let arrivals = Arrivals::new(&of, form, None, None, None).unwrap();
            assert_eq!(arrivals.total, 5_001);
            assert!(arrivals.buckets.len() * arrivals.gates.len() <= 1_000_000);
        }
    }

    #[test]
    fn one_wrong_clock_makes_longer_buckets_and_no_refusal() {
        for (first, last, form, bucket_seconds) in [
            (29_637_000, 29_637_100, Form::Numbers, 60),
            (29_637_000, 29_637_100, Form::Picture, 60),
            (0, 29_637_000, Form::Numbers, 7 * 86_400),
            (0, 29_637_000, Form::Picture, 365 * 86_400),
            (
                -1_000_000_000,
                4_000_000_000,
                Form::Picture,
                80 * 365 * 86_400,
            ),
        ] {
            let of = counts(&[(first, None, 1), (last, None, 1)]);
            let arrivals = Arrivals::new(&of, form, None, None, None).unwrap();
            assert_eq!(arrivals.total, 2);
            assert_eq!(arrivals.bucket_seconds, bucket_seconds, "{first} {last}");
        }
    }
}
