//! `doorbook history --format csv|xlsx|ndjson`: all that matches, in one file that ends with the
//! checkpoint it was taken at. The file appears under its name when it is whole.

use std::{
    fs::{self, File},
    io::{self, BufWriter, IsTerminal as _, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use clap::Args;
use doorbook::{
    http::exports::{Format, Shape, columns},
    projections::views::HistoryQuery,
};

use crate::{failure::Failure, local::Local, output, progress::Progress, server::Server};

/// What the files of history can be asked to look like.
#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    /// Columns of the file, separated by commas; with first_name, last_name and email when they are named
    #[arg(long, value_name = "NAMES", value_parser = known_columns)]
    columns: Option<String>,
    /// Time zone of CSV and XLSX, such as Europe/Berlin; UTC when left out
    #[arg(long, value_name = "ZONE", value_parser = known_zone)]
    tz: Option<String>,
    /// Begin CSV with a byte order mark, for older spreadsheets
    #[arg(long)]
    bom: bool,
    /// Leave off the checkpoint at the end of CSV and NDJSON
    #[arg(long)]
    no_trailer: bool,
    /// Write to this file instead of the standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl FileArgs {
    pub(crate) fn shape(&self, format: Format) -> Result<Shape, Failure> {
        let (csv, ndjson) = (format == Format::Csv, format == Format::Ndjson);
        if self.tz.is_some() && ndjson {
            return Err(Failure::usage(
                "--tz goes with --format csv or xlsx: NDJSON is in UTC",
            ));
        }
        if self.bom && !csv {
            return Err(Failure::usage("--bom goes with --format csv"));
        }
        if self.no_trailer && !csv && !ndjson {
            return Err(Failure::usage(
                "--no-trailer goes with --format csv or ndjson",
            ));
        }
        let chosen = self.columns.as_deref().map(columns).transpose();
        let zone = self.tz.as_deref().map(str::parse).transpose();
        Ok(Shape {
            format,
            columns: chosen.map_err(|unknown| Failure::usage(unknown.to_string()))?,
            zone: zone.map_err(|_| Failure::usage("--tz: no such time zone"))?,
            bom: self.bom,
            trailer: !self.no_trailer,
        })
    }

    /// Whether something was said that only a file can honour.
    pub(crate) const fn wants_a_file(&self) -> bool {
        self.columns.is_some()
            || self.tz.is_some()
            || self.bom
            || self.no_trailer
            || self.out.is_some()
    }

    pub(crate) fn write_here(
        &self,
        local: &Local,
        query: HistoryQuery,
        limit: Option<u64>,
        shape: &Shape,
    ) -> Result<(), Failure> {
        let mut progress = (self.out.is_some()).then(|| Progress::start("history", local.head()));
        let mut rows = 0;
        self.to_output(shape.format, |out| {
            let total = local.head();
            rows = local.export(query, limit.unwrap_or(u64::MAX), shape, out, |done| {
                if let Some(progress) = &mut progress {
                    progress.at(done, total);
                }
            })?;
            Ok(())
        })?;
        if let Some(progress) = progress {
            progress.end(&format!("{rows} rows"));
        }
        Ok(())
    }

    /// `filters` are those of the page, in the server's words.
    pub(crate) fn fetch(
        &self,
        server: &Server,
        path: &str,
        mut filters: Vec<(&'static str, String)>,
        format: Format,
    ) -> Result<(), Failure> {
        filters.push(("format", format.extension().to_owned()));
        let said = [("columns", &self.columns), ("tz", &self.tz)];
        filters.extend((said.into_iter()).filter_map(|(name, value)| Some((name, value.clone()?))));
        if self.bom {
            filters.push(("bom", "true".to_owned()));
        }
        if self.no_trailer {
            filters.push(("trailer", "false".to_owned()));
        }
        self.to_output(format, |out| server.download(path, &filters, out))
    }

    fn to_output(
        &self,
        format: Format,
        write: impl FnOnce(&mut dyn Write) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        match &self.out {
            Some(path) => to_file(path, write),
            None if format == Format::Xlsx && io::stdout().is_terminal() => Err(Failure::usage(
                "XLSX is not for a terminal: add --out FILE, or send it on with > or |",
            )),
            None => output::bytes(write),
        }
    }
}

/// Under another name until it is whole; for the owner's eyes, as there are people in it.
fn to_file(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let written = (|| {
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&part)
            .map_err(Failure::output)?;
        let mut out = BufWriter::new(file);
        write(&mut out)?;
        let file = out
            .into_inner()
            .map_err(|error| Failure::output(error.into_error()))?;
        file.sync_all().map_err(Failure::output)?;
        fs::rename(&part, path).map_err(Failure::output)
    })();
    if written.is_err() {
        // The first failure is the one to tell; a part that stays is named as one.
        fs::remove_file(&part).ok();
    }
    written
}

fn known_columns(list: &str) -> Result<String, String> {
    columns(list)
        .map(|_| list.to_owned())
        .map_err(|unknown| unknown.to_string())
}

fn known_zone(name: &str) -> Result<String, String> {
    match name.parse::<chrono_tz::Tz>() {
        Ok(_) => Ok(name.to_owned()),
        Err(_) => Err("must be an IANA name such as Europe/Berlin".to_owned()),
    }
}
