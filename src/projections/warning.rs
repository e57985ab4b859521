//! What a person at the desk should know of a scan that counts: one shape, in the scan's answer and on
//! the stream. Made from the event alone.

use serde::Serialize;
use utoipa::ToSchema;

use crate::events::event::{RefusalCode, Scan, Warning};

#[derive(Serialize, ToSchema)]
pub struct ScanWarning {
    /// The rule's refusal code, or `over_capacity`, `overridden`, `device_gap`, `clock_ahead`.
    #[schema(value_type = String)]
    code: &'static str,
    #[schema(value_type = String)]
    detail: &'static str,
    /// Of `overridden`: the refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<RefusalCode>,
    /// Of `device_gap`: the device's last scan that arrived before this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    this_seq: Option<u64>,
}

impl ScanWarning {
    /// In the order in which the event holds them, an override first.
    #[must_use]
    pub fn all(scan: &Scan) -> Vec<Self> {
        let overridden = scan.overridden.map(|rule| Self {
            rule: Some(rule),
            ..Self::plain("overridden", "admitted against a rule, by a supervisor")
        });
        overridden
            .into_iter()
            .chain(scan.warnings.iter().copied().map(Self::of))
            .collect()
    }

    const fn of(warning: Warning) -> Self {
        match warning {
            Warning::Rule(code) => Self::plain(
                code.as_str(),
                "this rule would have refused the scan, but it had already happened",
            ),
            Warning::OverCapacity => {
                Self::plain("over_capacity", "more people are inside than the capacity")
            }
            Warning::DeviceGap { last, this } => Self {
                last_seq: Some(last),
                this_seq: Some(this),
                ..Self::plain(
                    "device_gap",
                    "scans of this device between these two never arrived",
                )
            },
            Warning::ClockAhead => {
                Self::plain("clock_ahead", "the device's clock is ahead of the server's")
            }
        }
    }

    const fn plain(code: &'static str, detail: &'static str) -> Self {
        Self {
            code,
            detail,
            rule: None,
            last_seq: None,
            this_seq: None,
        }
    }
}
