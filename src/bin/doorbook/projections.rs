//! `doorbook projections`: what each view is called, its version, how far it has come.

use clap::Args;
use serde_json::Value;

use crate::{
    failure::Failure,
    local::Local,
    output,
    place::{Place, PlaceArgs},
};

/// The views: name, version, offset, how far behind the log
#[derive(Debug, Args)]
pub(crate) struct ProjectionsArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &ProjectionsArgs) -> Result<(), Failure> {
    let views = match args.place.place()? {
        Place::Directory(dir) => {
            let local = Local::open(&dir)?;
            let views = serde_json::to_value(local.views.projections()).map_err(Failure::check)?;
            local.close()?;
            views
        }
        Place::Server(server) => server.get("/api/admin/projections/", &[])?,
    };
    let list = listed(&views);
    if args.json {
        return list.iter().try_for_each(output::json);
    }
    output::data(format_args!(
        "{:<16} {:>7} {:>10} {:>8}",
        "name", "version", "offset", "lag"
    ))?;
    for view in list {
        output::data(format_args!(
            "{:<16} {:>7} {:>10} {:>8}",
            view["name"].as_str().unwrap_or_default(),
            view["version"].to_string(),
            view["offset"].to_string(),
            view["lag"].to_string()
        ))?;
    }
    Ok(())
}

/// A list, bare or as a page's `results`.
pub(crate) fn listed(answer: &Value) -> &[Value] {
    answer
        .get("results")
        .unwrap_or(answer)
        .as_array()
        .map_or(&[], Vec::as_slice)
}
