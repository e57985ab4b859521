//! What a desk should know of a scan, in the words of the HTTP API's scan result: the same scan
//! reads the same in its answer and on the stream (a test of the whole server holds them together).

use serde::Serialize;

use crate::events::event::{RefusalCode, Scan, Warning};

#[derive(Serialize)]
pub(crate) struct ScanWarning {
    code: &'static str,
    detail: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<RefusalCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    this_seq: Option<u64>,
}

impl ScanWarning {
    pub(crate) fn all(scan: &Scan) -> Vec<Self> {
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
