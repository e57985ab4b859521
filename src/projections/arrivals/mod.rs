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
/// Seconds in the smallest bucket; every other one is a multiple of it.
pub const BUCKET_SECONDS_MIN: u32 = 60;
pub const BUCKET_SECONDS_MAX: u32 = 7 * 24 * 3600;

/// From the first bucket with an arrival to the last one, those between included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Arrivals {
    pub bucket_seconds: u32,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "must be at least {bucket_seconds_min} here: the arrivals span more than {BUCKETS_MAX} buckets"
)]
pub struct TooManyBuckets {
    pub bucket_seconds_min: u64,
}

impl Arrivals {
    /// Of the arrivals with since ≤ minute < until. `bucket_seconds` is a multiple of 60.
    ///
    /// # Errors
    /// When there would be more than [`BUCKETS_MAX`] buckets.
    pub fn new(
        counts: &ArrivalCounts,
        bucket_seconds: u32,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<Self, TooManyBuckets> {
        let minutes = i64::from(bucket_seconds / BUCKET_SECONDS_MIN).max(1);
        let counts: Vec<_> = (counts.iter())
            .filter(|((minute, _), _)| is_within(*minute, since, until))
            .map(|((minute, gate), count)| (minute.div_euclid(minutes), gate, u64::from(*count)))
            .collect();
        let mut places: BTreeMap<_, _> = (counts.iter())
            // Gates by name, and last those who came in somewhere.
            .map(|(_, gate, _)| ((gate.is_none(), *gate), 0))
            .collect();
        for (place, (_, at)) in places.iter_mut().enumerate() {
            *at = place;
        }
        let mut arrivals = Self {
            bucket_seconds,
            total: 0,
            gates: places.keys().map(|(_, gate)| (*gate).clone()).collect(),
            buckets: Vec::new(),
        };
        let (Some((first, ..)), Some((last, ..))) = (counts.first(), counts.last()) else {
            return Ok(arrivals);
        };
        let span = last - first + 1;
        if span > BUCKETS_MAX {
            let minutes_min = (span * minutes).div_euclid(BUCKETS_MAX) + 1;
            return Err(TooManyBuckets {
                bucket_seconds_min: minutes_min.unsigned_abs() * u64::from(BUCKET_SECONDS_MIN),
            });
        }
        let empty = |bucket: i64| Bucket {
            start: Timestamp(bucket.saturating_mul(minutes * 60_000_000)),
            total: 0,
            counts: vec![0; places.len()],
        };
        arrivals.buckets = (*first..=*last).map(empty).collect();
        for (bucket, gate, count) in &counts {
            let place = usize::try_from(bucket - first).ok();
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
        let arrivals = Arrivals::new(&of, 300, None, None).unwrap();
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
            60,
            Some(Timestamp(120 * 60_000_000)),
            Some(Timestamp(131 * 60_000_000)),
        );
        assert_eq!(part.unwrap().total, 4);
        assert_eq!(
            Arrivals::new(&counts(&[]), 60, None, None).unwrap().buckets,
            []
        );
    }

    #[test]
    fn a_span_too_long_for_the_bucket_says_which_bucket_would_do() {
        let of = counts(&[(0, None, 1), (1_000_000, None, 1)]);
        let TooManyBuckets { bucket_seconds_min } = Arrivals::new(&of, 60, None, None).unwrap_err();
        let would_do = u32::try_from(bucket_seconds_min).unwrap();
        let arrivals = Arrivals::new(&of, would_do, None, None).unwrap();
        assert_eq!(arrivals.total, 2);
        assert!(arrivals.buckets.len() <= 10_000);
    }
}
