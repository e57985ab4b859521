//! `doorbook export --ndjson`: a whole log as lines of JSON, to move it between versions; `import --log` takes
//! it in. What is in a line is the library's matter (`doorbook::backup`).

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use clap::Args;
use doorbook::{
    backup::{Exporting, import_log},
    events::log::copy,
};

use crate::{
    backup::failed, failure::Failure, output, place::PlaceArgs, progress::Progress, source::Source,
};

/// Write a whole log as lines of JSON, to move it between versions
///
/// The file holds all keys in clear: it is as secret as the data directory. Who was erased has no key in it. `doorbook import
/// --log` makes a data directory of it.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// The one format there is
    #[arg(long, required = true)]
    ndjson: bool,
    /// Into this file, which must not be there yet; by default stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: &ExportArgs) -> Result<(), Failure> {
    let source = Source::open(args.place.place()?)?;
    let out: Box<dyn Write> = match &args.out {
        Some(path) => Box::new(create(path)?),
        None => Box::new(io::stdout().lock()),
    };
    let done = write(&source, BufWriter::new(out));
    let closed = source.close();
    done?;
    if let Some(path) = &args.out {
        let parent = path.parent().filter(|it| !it.as_os_str().is_empty());
        let synced = File::open(path)
            .and_then(|file| file.sync_all())
            .and_then(|()| copy::settle(parent.unwrap_or(Path::new("."))));
        synced.map_err(Failure::output)?;
        output::say(format_args!(
            "{} holds all keys in clear: keep it as safe as the data directory",
            path.display()
        ));
    }
    closed
}

/// `doorbook import --log`.
pub(crate) fn import(file: &Path, data: &Path) -> Result<(), Failure> {
    let mut progress = Progress::start("import", 0);
    let head = import_log(file, data, &mut |done, total| progress.at(done, total));
    progress.end(if head.is_ok() { "checked" } else { "stopped" });
    let head = head.map_err(failed)?;
    output::say(format_args!(
        "{} holds {head} events; its epoch is new, so older cursors begin anew",
        data.display()
    ));
    Ok(())
}

fn write(source: &Source, out: impl Write) -> Result<(), Failure> {
    let state = source.state(0)?;
    // The order that a backup has, for the same reason.
    let keys = source.keys()?;
    let erased = source.erased()?;
    let log = (state.epoch, state.head);
    let mut exporting = Exporting::begin(out, log, &keys, erased).map_err(failed)?;
    let mut progress = Progress::start("export", state.head);
    while exporting.head() < state.head {
        let page = source.frames(exporting.head(), state.head)?;
        if page.is_empty() {
            return Err(Failure::refused("the log ends before its head"));
        }
        exporting.frames(&page).map_err(failed)?;
        progress.at(exporting.head(), state.head);
    }
    exporting.end().map_err(failed)?;
    progress.end("written");
    Ok(())
}

fn create(path: &Path) -> Result<File, Failure> {
    let made = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    made.map_err(|error| {
        Failure::unreachable(anyhow::anyhow!("cannot make {}: {error}", path.display()))
    })
}
