//! What the demo prints first: a link to open in a browser, and commands to paste into another terminal. The
//! tokens in them go to stdout only, never to the log.

use std::path::Path;

use doorbook::http::pages;

use super::people;
use crate::{failure::Failure, output};

pub(super) struct Invitation<'a> {
    pub(super) base: &'a str,
    /// The code of a link that signs in as a superuser.
    pub(super) link: &'a str,
    pub(super) data: &'a Path,
    pub(super) gathering: &'a str,
    pub(super) continued: bool,
    pub(super) people: usize,
    /// A superuser's.
    pub(super) token: &'a str,
    /// A steward's at the demo's gathering.
    pub(super) steward_token: &'a str,
}

impl Invitation<'_> {
    pub(super) fn print(&self) -> Result<(), Failure> {
        let Self {
            base,
            link,
            data,
            gathering,
            people,
            token,
            steward_token,
            ..
        } = self;
        let beginning = if self.continued {
            "The evening goes on where it was left off."
        } else {
            "The doors open in a moment; early birds are turned away until then."
        };
        let pages = if pages::built() {
            ""
        } else {
            "  (not in this binary: it was built without its pages; `make web`, then build again)\n"
        };
        let data = data.display();
        let program = std::env::args()
            .next()
            .unwrap_or_else(|| "doorbook".to_owned());
        let sockets = base.replacen("http://", "ws://", 1);
        let code = people::guest(super::setting::PREFIX, 1).event_pax_id;
        output::data(format_args!(
            "doorbook demo: {people} invented guests, three gates, at {base} (data in {data}, kept)
{beginning} Ctrl-C stops; the same command continues.

Open in a browser; the link signs you in, as often as you like until the demo stops:

  {base}/sign-in#link={link}
{pages}
Or paste into another terminal:

  export DOORBOOK_TOKEN={token}
  export STEWARD_TOKEN={steward_token}
  AUTH=\"Authorization: Bearer $DOORBOOK_TOKEN\"

the dashboard endpoint: every gathering with its counts; this one, with arrivals so far
  curl -sH \"$AUTH\" {base}/api/events/
  curl -sH \"$AUTH\" {base}/api/events/{gathering}/

the API: find people, scan a ticket as a steward (again: refused), who did what
  curl -sH \"$AUTH\" '{base}/api/events/{gathering}/participants/?q=zoe&limit=3'
  curl -s -X POST -H \"Authorization: Bearer $STEWARD_TOKEN\" -H 'Content-Type: application/json' \\
    -d '{{\"gate\": \"north\"}}' {base}/api/events/participants/{code}/check-in/
  curl -sH \"$AUTH\" '{base}/api/events/{gathering}/history/?participant={code}'

the stream: a snapshot, then every event as it happens (from=earliest replays the whole evening first)
  curl -sNH \"$AUTH\" {base}/api/events/{gathering}/stream
  npx --yes wscat -H \"$AUTH\" -c {sockets}/ws/events/checkin/{gathering}/
  websocat -H \"$AUTH\" '{sockets}/ws/events/checkin/{gathering}/?from=earliest'
  websocat -H \"$AUTH\" {sockets}/ws/events/dashboard/
  {program} tail --server {base} --from earliest

the documentation of the API: {base}/docs
"
        ))
    }
}
