//! Inclusion proofs: the tree as it is kept, asked for the path of one leaf.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use super::{Size, chance::Chance, prepared::Prepared, queries::get};
use crate::{
    doorbook_server::Doorbook,
    load,
    report::{Reach, Report, short},
};

const PROOF: (&str, Reach) = (
    "inclusion proof of any event, over HTTP, p99",
    Reach::AtMost(1.0, "ms"),
);

const LONG: Duration = Duration::from_secs(120);
/// Proofs before anything is counted.
const WARM_UP: u64 = 10;

pub(super) fn measure(prepared: &Prepared, size: &Size, report: &mut Report) {
    if let Err(error) = try_measure(prepared, size, report) {
        report.not_run(PROOF.0, PROOF.1, &error);
    }
}

fn try_measure(prepared: &Prepared, size: &Size, report: &mut Report) -> Result<()> {
    let data = prepared.copy("proofs")?;
    let mut doorbook = Doorbook::start_on(&data)?;
    let mut chance = Chance::new(3);
    let mut take = |proofs: u64| {
        let mut offsets: Vec<u64> = (0..proofs)
            .map(|_| 1 + chance.below(prepared.head))
            .collect();
        let token = doorbook.token.clone();
        let requests = Box::new(move |request: &mut Vec<u8>| {
            offsets.pop().is_some_and(|offset| {
                get(request, &format!("/api/log/proof/{offset}"), &token);
                true
            })
        });
        let taken = load::drive(doorbook.address, 1, LONG, requests)?;
        taken.all_answered()?;
        ensure!(
            taken.answers == proofs,
            "{} proofs in {LONG:?}",
            taken.answers
        );
        Ok::<_, anyhow::Error>(taken)
    };
    let first = take(WARM_UP)?;
    let taken = take(size.proofs)?;
    let (p50, p99) = (taken.quantile_ms(0.5), taken.quantile_ms(0.99));
    report.row(
        PROOF.0,
        PROOF.1,
        format!("{} ms, p50 {} ms", short(p99), short(p50)),
        "",
        p99,
    );
    report.note(format!(
        "proofs: {} of random events over one connection, loopback and parsing included, which is more than the server's own time; the \
         slowest of the first {WARM_UP} after a start {} ms",
        size.proofs,
        short(first.quantile_ms(1.0))
    ));
    report.raw(
        "audit_proof_ms",
        json!({"p50": p50, "p99": p99, "max": taken.quantile_ms(1.0), "first": first.quantile_ms(1.0)}),
    );
    doorbook.child.stop()
}
