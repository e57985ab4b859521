//! The command line: parses, dispatches, and turns a failure into a sentence and an exit code. One
//! subcommand per file; data goes to stdout, talk to stderr.
//!
//! `place`, `server` and `local` say where the data is and how it is reached; `progress`, `entries` and
//! `output` how it is shown.

mod checkpoint;
mod demo;
mod entries;
mod erase;
mod failure;
mod history;
mod import;
mod interrupt;
mod local;
mod output;
mod place;
mod progress;
mod projections;
mod proof;
mod rebuild_projection;
mod serve;
mod server;
mod tail;
mod token;
mod verify;
mod verify_proof;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measured: the system's allocator costs a durable check-in a fifth of its CPU, since events are
/// made on one thread and dropped on another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The book at the door of an event
///
/// Exit codes: 0 done, 1 a check failed or the server said no, 2 wrong usage, 3 cannot reach the server or open the data.
#[derive(Debug, Parser)]
#[command(name = "doorbook", version)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The server
    ///
    /// Settings are flags, `DOORBOOK_*` variables, and a TOML file, in that order.
    Serve(Box<doorbook::config::ServeArgs>),
    Demo(demo::DemoArgs),
    Token(token::TokenArgs),
    Import(import::ImportArgs),
    History(Box<history::HistoryArgs>),
    Tail(tail::TailArgs),
    Projections(projections::ProjectionsArgs),
    RebuildProjection(rebuild_projection::RebuildArgs),
    Checkpoint(checkpoint::CheckpointArgs),
    Proof(proof::ProofArgs),
    Verify(verify::VerifyArgs),
    VerifyProof(verify_proof::VerifyProofArgs),
    Erase(erase::EraseArgs),
}

fn main() -> ExitCode {
    let result = match CommandLine::parse().command {
        Command::Serve(args) => serve::run(&args),
        Command::Demo(args) => demo::run(args),
        Command::Token(args) => token::run(args),
        Command::Import(args) => import::run(&args),
        Command::History(args) => history::run(&args),
        Command::Tail(args) => tail::run(&args),
        Command::Projections(args) => projections::run(&args),
        Command::RebuildProjection(args) => rebuild_projection::run(&args),
        Command::Checkpoint(args) => checkpoint::run(&args),
        Command::Proof(args) => proof::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::VerifyProof(args) => verify_proof::run(&args),
        Command::Erase(args) => erase::run(&args),
    };
    let Err(failure) = result else {
        return ExitCode::SUCCESS;
    };
    if let Some(sentence) = failure.sentence() {
        output::say(format_args!("doorbook: {sentence}"));
    }
    failure.exit_code()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::CommandLine;

    #[test]
    fn verify_cli() {
        CommandLine::command().debug_assert();
    }
}
