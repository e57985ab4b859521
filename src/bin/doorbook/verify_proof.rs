//! `doorbook verify-proof`: checks a file with nothing but a verifier key; no server, no data directory. Says
//! in plain words what has been proven, and by whose signature.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use doorbook::{
    events::{codec, recorded::Recorded},
    projections::integrity::{ConsistencyProof, InclusionProof, VerifierKey},
};
use serde_json::json;

use crate::{failure::Failure, output};

/// Check a proof, with no server and no data
#[derive(Debug, Args)]
pub(crate) struct VerifyProofArgs {
    /// From `doorbook proof` or `/api/log/proof/{offset}`; with --checkpoint, from `/api/log/consistency`
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The log's verifier key, or a file with it: from `/api/log/key`, best kept since the first day
    #[arg(long, value_name = "KEY")]
    key: String,
    /// The event's record, when the proof does not carry it
    #[arg(long, value_name = "FILE", conflicts_with = "checkpoint")]
    record: Option<PathBuf>,
    /// The file is a consistency proof: check that the log still begins with this checkpoint's
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &VerifyProofArgs) -> Result<(), Failure> {
    let key = verifier_key(&args.key)?;
    match &args.checkpoint {
        Some(earlier) => consistency(args, &key, &read(earlier)?),
        None => inclusion(args, &key),
    }
}

/// A key as it is written, or a file that holds one.
pub(crate) fn verifier_key(said: &str) -> Result<VerifierKey, Failure> {
    if let Ok(key) = said.parse() {
        return Ok(key);
    }
    let text = fs::read_to_string(said).map_err(|error| {
        Failure::usage(format!(
            "--key {said} is neither a verifier key (NAME+ID+BASE64) nor a file that can be read: {error}"
        ))
    })?;
    text.parse()
        .map_err(|error| Failure::usage(format!("--key {said}: {error}")))
}

pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| {
        Failure::unreachable(
            anyhow::Error::new(error).context(format!("cannot read {}", path.display())),
        )
    })
}

fn inclusion(args: &VerifyProofArgs, key: &VerifierKey) -> Result<(), Failure> {
    let given = match &args.record {
        Some(path) => Some(fs::read(path).map_err(Failure::unreachable)?),
        None => None,
    };
    let proof = InclusionProof::parse(&read(&args.file)?).map_err(Failure::check)?;
    let checkpoint = proof
        .verify(key, given.as_deref())
        .map_err(Failure::check)?;
    let record = given
        .as_deref()
        .or(proof.record.as_deref())
        .unwrap_or_default();
    let recorded = codec::decode(record).map_err(|error| {
        Failure::refused(format!(
            "the record is in the log, but this doorbook cannot read it: {error}"
        ))
    })?;
    if recorded.offset != proof.offset {
        return Err(Failure::refused(format!(
            "the record at offset {} of the log says that it is at {}",
            proof.offset, recorded.offset
        )));
    }
    if args.json {
        return output::json(&json!({
            "offset": proof.offset,
            "type": recorded.event.type_name(),
            "event_id": recorded.gathering,
            "event_pax_id": recorded.event.subject().map(|subject| subject.code.as_str()),
            "recorded_at": recorded.recorded_at.to_string(),
            "occurred_at": recorded.occurred_at.to_string(),
            "actor": {"id": &*recorded.actor.id, "role": recorded.actor.role.as_str()},
            "origin": checkpoint.origin,
            "size": checkpoint.size,
        }));
    }
    output::data(format_args!(
        "proven     event {} is in the log {}: {}",
        proof.offset,
        checkpoint.origin,
        told(&recorded)
    ))?;
    output::data(format_args!(
        "means      when the log held {} events, its keeper signed that this one is at offset {}, with this content",
        checkpoint.size, proof.offset
    ))?;
    output::data(format_args!("signed by  {key}"))
}

/// What the record says, without what is sealed in it.
fn told(recorded: &Recorded) -> String {
    let about = (recorded.event.subject())
        .map(|subject| format!(" {}", subject.code))
        .unwrap_or_default();
    format!(
        "{}{about} by {} as {}, recorded {}, of gathering {}",
        recorded.event.type_name(),
        recorded.actor.id,
        recorded.actor.role.as_str(),
        recorded.recorded_at,
        recorded.gathering
    )
}

fn consistency(args: &VerifyProofArgs, key: &VerifierKey, earlier: &str) -> Result<(), Failure> {
    let proof: ConsistencyProof = serde_json::from_str(&read(&args.file)?)
        .map_err(|_| Failure::refused("the file is no consistency proof"))?;
    let later = proof.verify(key, earlier).map_err(Failure::check)?;
    let from = proof.from.size;
    if args.json {
        return output::json(&json!({
            "origin": later.origin,
            "from": from,
            "to": later.size,
        }));
    }
    output::data(format_args!(
        "proven     the log {} of {} events begins with the {from} events of the earlier checkpoint, unchanged",
        later.origin, later.size
    ))?;
    output::data(format_args!("signed by  {key}"))
}
