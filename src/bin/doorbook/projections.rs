//! `doorbook projections`: what each view is called, its version, how far it has come, which generation it is.

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
        "{:<16} {:>7} {:>10} {:>8} {:>10}  {}",
        "name", "version", "offset", "lag", "generation", "built at"
    ))?;
    for view in list {
        output::data(format_args!(
            "{:<16} {:>7} {:>10} {:>8} {:>10}  {}",
            view["name"].as_str().unwrap_or_default(),
            view["version"].to_string(),
            view["offset"].to_string(),
            view["lag"].to_string(),
            view["generation"].to_string(),
            view["built_at"].as_str().unwrap_or("as the log grew")
        ))?;
        if let Some(error) = view["error"].as_str() {
            output::data(format_args!("{:<16} {error}", ""))?;
        }
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
