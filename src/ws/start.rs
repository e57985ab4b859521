//! Where a stream starts: the text of `?from=` and of `resume`, and what it means in this log.

use std::str::FromStr;

use crate::events::ids::{Cursor, Epoch, Offset};

use super::protocol::ResetReason;

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Earliest,
    Latest,
    /// After this offset.
    Offset(Offset),
    /// After this cursor.
    Cursor(Cursor),
    /// A cursor whose epoch no log of ours ever had.
    ForeignCursor,
}

/// What it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// The events after this offset.
    After(Offset),
    /// A snapshot, and what follows it; a reset says why, when something else was asked for.
    Snapshot { reset: Option<ResetReason> },
}

/// Longest text before a cursor's colon that is taken for an epoch, bytes.
const EPOCH_BYTES_MAX: usize = 64;

pub(crate) const FROM_RULE: &str =
    "from must be a cursor taken from a message, an offset, earliest or latest";

impl FromStr for Asked {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            _ if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().map(Self::Offset).map_err(|_| FROM_RULE)
            }
            _ => match text.parse() {
                Ok(cursor) => Ok(Self::Cursor(cursor)),
                Err(_) if is_like_a_cursor(text) => Ok(Self::ForeignCursor),
                Err(_) => Err(FROM_RULE),
            },
        }
    }
}

/// Cursors are opaque to clients, so one that was taken elsewhere is no mistake of theirs: it gets
/// the reset that every other log's cursor gets.
fn is_like_a_cursor(text: &str) -> bool {
    text.split_once(':').is_some_and(|(epoch, offset)| {
        let name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=EPOCH_BYTES_MAX).contains(&epoch.len())
            && epoch.bytes().all(name)
            && offset.bytes().all(|byte| byte.is_ascii_digit())
            && offset.parse::<Offset>().is_ok()
    })
}

impl Start {
    /// `head`: the log's highest durable offset.
    pub(crate) fn resolve(from: Option<Asked>, epoch: Epoch, head: Offset) -> Self {
        let reset = |reason| Self::Snapshot {
            reset: Some(reason),
        };
        match from {
            None => Self::Snapshot { reset: None },
            Some(Asked::Earliest) => Self::After(0),
            Some(Asked::Latest) => Self::After(head),
            Some(Asked::ForeignCursor) => reset(ResetReason::LogChanged),
            Some(Asked::Cursor(cursor)) if cursor.epoch != epoch => reset(ResetReason::LogChanged),
            Some(Asked::Offset(offset) | Asked::Cursor(Cursor { offset, .. })) => {
                if offset > head {
                    reset(ResetReason::Ahead)
                } else {
                    Self::After(offset)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: [u8; 16] = [3; 16];

    fn start(from: &str, head: Offset) -> Start {
        Start::resolve(Some(from.parse().unwrap()), Epoch::from_bytes(EPOCH), head)
    }

    #[test]
    fn a_start_is_a_cursor_an_offset_earliest_or_latest() {
        let cursor = Cursor {
            epoch: Epoch::from_bytes(EPOCH),
            offset: 4,
        };
        assert_eq!(start("earliest", 9), Start::After(0));
        assert_eq!(start("latest", 9), Start::After(9));
        assert_eq!(start("4", 9), Start::After(4));
        assert_eq!(start(&cursor.to_string(), 9), Start::After(4));
        for wrong in [
            "",
            "-1",
            "+4",
            "4.0",
            "head",
            ":4",
            "x:",
            "x:-4",
            "x y:4",
            "x:99999999999999999999",
            "99999999999999999999",
        ] {
            assert_eq!(wrong.parse::<Asked>(), Err(FROM_RULE), "{wrong}");
        }
    }

    #[test]
    fn what_this_log_cannot_honour_becomes_a_reset() {
        let foreign = Cursor {
            epoch: Epoch::from_bytes([4; 16]),
            offset: 4,
        };
        assert_eq!(
            start(&foreign.to_string(), 9),
            Start::Snapshot {
                reset: Some(ResetReason::LogChanged)
            }
        );
        for elsewhere in [
            "x:4",
            "deadbeef:99",
            "0190c9a2-7c8e-7d31-b1b5-3f7a2f7d9e10:4",
        ] {
            assert_eq!(
                start(elsewhere, 9),
                Start::Snapshot {
                    reset: Some(ResetReason::LogChanged)
                },
                "{elsewhere}"
            );
        }
        assert_eq!(
            start("10", 9),
            Start::Snapshot {
                reset: Some(ResetReason::Ahead)
            }
        );
        assert_eq!(
            Start::resolve(None, Epoch::from_bytes(EPOCH), 9),
            Start::Snapshot { reset: None }
        );
    }
}
