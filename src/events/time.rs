//! Moments: microseconds since 1970 in UTC, written as RFC 3339 with `Z`.
//!
//! Stored as one `i64`, since chrono's own serde form is a string even in a binary codec.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// A moment, µs since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp(pub i64);

/// The first and last moments that RFC 3339 can write (years 0001 to 9999), µs.
const MICROS_MIN: i64 = -62_135_596_800_000_000;
const MICROS_MAX: i64 = 253_402_300_799_999_999;

impl Timestamp {
    /// The machine's clock. Only doors call this: decisions get the time with the command.
    #[must_use]
    pub fn now() -> Self {
        Self(Utc::now().timestamp_micros())
    }

    #[must_use]
    pub fn from_datetime(moment: DateTime<Utc>) -> Self {
        Self(moment.timestamp_micros().clamp(MICROS_MIN, MICROS_MAX))
    }

    /// Moments outside the years 0001 to 9999 become the nearest moment inside.
    #[must_use]
    pub fn to_datetime(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0.clamp(MICROS_MIN, MICROS_MAX)).unwrap_or_default()
    }

    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }

    /// The second it lies in, from its start.
    #[must_use]
    pub const fn whole_second(self) -> Self {
        Self(self.0.div_euclid(1_000_000) * 1_000_000)
    }

    /// Whole minutes since 1970, rounded down: the bucket of an arrival.
    #[must_use]
    pub const fn minute(self) -> i64 {
        self.0.div_euclid(60_000_000)
    }

    /// # Errors
    /// When the text is not RFC 3339 with an offset or `Z`, or lies outside the years 0001 to 9999.
    pub fn parse(text: &str) -> Result<Self, String> {
        DateTime::parse_from_rfc3339(text)
            .map(|moment| moment.timestamp_micros())
            .ok()
            .filter(|micros| (MICROS_MIN..=MICROS_MAX).contains(micros))
            .map(Self)
            .ok_or_else(|| "must be RFC 3339 such as 2026-05-01T18:00:00Z".to_owned())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = if self.0.rem_euclid(1_000_000) == 0 {
            SecondsFormat::Secs
        } else if self.0.rem_euclid(1_000) == 0 {
            SecondsFormat::Millis
        } else {
            SecondsFormat::Micros
        };
        f.write_str(&self.to_datetime().to_rfc3339_opts(format, true))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_i64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
            Self::parse(&text).map_err(serde::de::Error::custom)
        } else {
            i64::deserialize(deserializer).map(Self)
        }
    }
}
