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
}

/// What it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// The events after this offset.
    After(Offset),
    /// A snapshot, and what follows it; a reset says why, when something else was asked for.
    Snapshot { reset: Option<ResetReason> },
}

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
            _ => text.parse().map(Self::Cursor).map_err(|_| FROM_RULE),
        }
    }
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
            "x:4",
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
