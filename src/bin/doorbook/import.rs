//! `doorbook import`: an attendee list, CSV or NDJSON, into a gathering, of a closed directory here or of a
//! running server there. Prints what was rejected, line by line. What a line means is the library's matter.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use doorbook::{
    backup::is_log_export,
    commands::{
        CommandHandler, Context,
        import::{self, ImportLine, ImportProgress},
    },
    events::{
        event::ActorRole,
        ids::{CorrelationId, GatheringId},
        time::Timestamp,
    },
};
use serde_json::{Value, json};

use crate::{
    export,
    failure::Failure,
    local, output,
    place::{Place, PlaceArgs, open_log},
    progress::Progress,
};

/// Who registers people when nobody is signed in.
const OPERATOR: &str = "operator";

/// Import an attendee list; the same list again adds nothing
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Into this gathering
    #[arg(long, value_name = "ID", required_unless_present = "log")]
    event: Option<GatheringId>,
    /// The list: CSV with a header row, or NDJSON; - is stdin
    #[arg(required_unless_present = "log")]
    file: Option<PathBuf>,
    /// Not a list but a whole log, as `doorbook export --ndjson` writes it: makes the data directory, empty or missing before
    #[arg(long, value_name = "FILE", conflicts_with_all = ["event", "file", "server", "format", "dry_run", "json"])]
    log: Option<PathBuf>,
    /// By default what the file's name ends with, else csv
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Check every line and register nobody
    #[arg(long)]
    dry_run: bool,
    /// Print {accepted, rejected}
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Ndjson,
}

pub(crate) fn run(args: &ImportArgs) -> Result<(), Failure> {
    let (event, file) = match (&args.log, args.event, &args.file, args.place.place()?) {
        (Some(log), _, _, Place::Directory(dir)) => return export::import(log, &dir),
        (None, Some(event), Some(file), _) => (event, file),
        _ => {
            return Err(Failure::usage(
                "say what to import: --event ID and a list, or --log",
            ));
        }
    };
    let list = read(file)?;
    if is_log_export(&list) {
        return Err(Failure::usage(format!(
            "{} is a whole log; import it with --log into an empty directory",
            file.display()
        )));
    }
    let format = args.format.unwrap_or_else(|| Format::of(file));
    let report = match args.place.place()? {
        Place::Server(server) => {
            let path = format!("/api/events/{event}/import/");
            let query = [("dry_run", args.dry_run.to_string())];
            server
                .post_text(&path, &query, format.media_type(), &list)?
                .good()?
        }
        Place::Directory(dir) => here(&dir, args, event, format, &list)?,
    };
    show(args, &report)
}

/// Into a directory that no server holds.
fn here(
    dir: &Path,
    args: &ImportArgs,
    event: GatheringId,
    format: Format,
    list: &[u8],
) -> Result<Value, Failure> {
    let lines: Box<dyn Iterator<Item = ImportLine>> = match format {
        Format::Csv => Box::new(import::csv_lines(list).map_err(Failure::check)?),
        Format::Ndjson => Box::new(import::ndjson_lines(list)),
    };
    let runtime = local::runtime()?;
    let _entered = runtime.enter();
    let log = open_log(dir)?;
    let handler = CommandHandler::new(log.clone());
    let context = Context {
        actor_id: OPERATOR.into(),
        actor_role: ActorRole::Operator,
        actor_name: None,
        correlation: CorrelationId::generate(),
        command_id: None,
        now: Timestamp::now(),
    };
    // Of a quoted field with line breaks in it this counts too many; the bar then ends early.
    let total = list.iter().filter(|byte| **byte == b'\n').count() as u64;
    let mut progress = Progress::start("import", total);
    let tell = |so_far: ImportProgress| progress.at(so_far.lines, total.max(so_far.lines));
    let report = if args.dry_run {
        runtime.block_on(import::run::dry_run(&handler, event, lines, &context, tell))
    } else {
        runtime.block_on(import::import(&handler, event, lines, &context, tell))
    };
    progress.end(if report.is_ok() { "read" } else { "stopped" });
    handler.tidy();
    log.close().map_err(Failure::unreachable)?;
    let report = report.map_err(Failure::check)?;
    // As a server answers.
    Ok(json!({
        "accepted": report.accepted,
        "unchanged": report.unchanged,
        "rejected": report.rejected,
        "dry_run": args.dry_run,
    }))
}

fn show(args: &ImportArgs, report: &Value) -> Result<(), Failure> {
    let rejected = report["rejected"].as_array().map_or(&[][..], Vec::as_slice);
    if args.json {
        output::json(report)?;
    } else {
        for line in rejected {
            let word = |field: &str| line[field].as_str().unwrap_or_default();
            output::data(format_args!(
                "line {}: {}: {}",
                line["line"],
                word("code"),
                word("detail")
            ))?;
        }
        let would = if args.dry_run { "would be " } else { "" };
        let known = report["unchanged"]
            .as_u64()
            .map(|lines| format!("{lines} there already, "))
            .unwrap_or_default();
        output::say(format_args!(
            "{} {would}accepted, {known}{} {would}rejected",
            report["accepted"],
            rejected.len()
        ));
    }
    if rejected.is_empty() {
        Ok(())
    } else {
        Err(Failure::refused(match rejected.len() {
            1 => "1 line was rejected".to_owned(),
            lines => format!("{lines} lines were rejected"),
        }))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut list = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().read_to_end(&mut list)
    } else {
        File::open(path).and_then(|mut file| file.read_to_end(&mut list))
    };
    read.map_err(|error| {
        Failure::unreachable(anyhow::anyhow!("cannot read {}: {error}", path.display()))
    })?;
    Ok(list)
}

impl Format {
    fn of(path: &Path) -> Self {
        let end = path
            .extension()
            .and_then(|end| end.to_str())
            .unwrap_or_default()
            .to_ascii_lowercase();
        if matches!(end.as_str(), "ndjson" | "jsonl") {
            Self::Ndjson
        } else {
            Self::Csv
        }
    }

    const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv",
            Self::Ndjson => "application/x-ndjson",
        }
    }
}
