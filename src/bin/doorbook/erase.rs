//! `doorbook erase`: one person by their ticket, or everybody of events that ended long ago. What erasing
//! is, is the library's matter; here is who is meant, what is said beforehand, and how far it has come.

use std::{
    io::{self, BufRead as _, IsTerminal as _},
    path::Path,
    str::FromStr,
};

use clap::Args;
use doorbook::{
    commands::{Command, CommandHandler, Context, erase::Erase},
    events::{
        event::ActorRole,
        ids::{Code, CorrelationId, GatheringId},
        time::Timestamp,
    },
};
use serde_json::{Value, json};

use crate::{
    failure::Failure,
    local::Local,
    output,
    place::{Place, PlaceArgs},
    progress::Progress,
    server::Server,
};

/// Who erases when nobody is signed in.
const OPERATOR: &str = "operator";
/// Events asked for at a time.
const PAGE_EVENTS: &str = "1000";

/// Erase people: their data is gone for good, the history and the counts stay
///
/// Erasing is for ever. What is interrupted goes on when it is asked for again.
#[derive(Debug, Args)]
pub(crate) struct EraseArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// The ticket of the person
    #[arg(value_parser = Code::parse, required_unless_present = "older_than", conflicts_with_all = ["older_than", "event", "dry_run"])]
    code: Option<Code>,
    /// Everybody of events whose end (or start, when they have none) is longer ago than this: 30d, 12h, 8w
    #[arg(long, value_name = "AGE")]
    older_than: Option<Age>,
    /// Of this event alone
    #[arg(
        long,
        visible_alias = "gathering",
        value_name = "ID",
        requires = "older_than"
    )]
    event: Option<GatheringId>,
    /// Only say who would be erased
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

/// A length of time, seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Age(i64);

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rule = || "must be a number with h, d or w behind it, such as 30d".to_owned();
        let unit = match text.chars().last() {
            Some('h') => 3_600,
            Some('d') => 86_400,
            Some('w') => 7 * 86_400,
            _ => return Err(rule()),
        };
        let number: u32 = text[..text.len() - 1].parse().map_err(|_| rule())?;
        Ok(Self(i64::from(number) * unit))
    }
}

/// An event whose people are to go.
struct Due {
    id: GatheringId,
    name: String,
    ended: Timestamp,
    people: u64,
}

/// Where people are erased.
enum Book {
    Server(Server),
    Here(Box<Local>, CommandHandler),
}

pub(crate) fn run(args: &EraseArgs) -> Result<(), Failure> {
    let book = Book::open(args.place.place()?)?;
    let done = match (&args.code, args.older_than) {
        (Some(code), _) => one(&book, args, code),
        (None, Some(age)) => old(&book, args, age),
        (None, None) => Err(Failure::usage("say who: a ticket, or --older-than")),
    };
    book.close().and(done)
}

fn one(book: &Book, args: &EraseArgs, code: &Code) -> Result<(), Failure> {
    agreed(args, "the person with this ticket is erased for good")?;
    let offset = book.erase(code)?;
    if args.json {
        return output::json(&json!({"erased": 1, "offset": offset}));
    }
    output::say("erased: the person's data is gone, the history and the counts stay");
    Ok(())
}

fn old(book: &Book, args: &EraseArgs, age: Age) -> Result<(), Failure> {
    let limit = Timestamp::now().plus_seconds(-age.0);
    let mut due = book.ended_before(limit)?;
    due.retain(|event| args.event.is_none_or(|id| id == event.id));
    for event in &mut due {
        event.people = book.not_erased(event.id)?;
    }
    due.retain(|event| event.people > 0);
    let people = due.iter().map(|event| event.people).sum();
    if !args.json {
        for Due {
            id,
            name,
            ended,
            people,
        } in &due
        {
            output::data(format_args!(
                "{id} ended {ended}: {people} people of {name}"
            ))?;
        }
    }
    let mut erased = 0;
    if !args.dry_run && people > 0 {
        let what = format!(
            "{people} people of {} events are erased for good",
            due.len()
        );
        agreed(args, &what)?;
        let mut progress = Progress::start("erase", people);
        for event in &due {
            book.erase_all(event.id, |now| {
                erased += now;
                progress.at(erased, people.max(erased));
            })?;
        }
        progress.end(&format!("{erased} people"));
    }
    if args.json {
        let of = |event: &Due| json!({"event_id": event.id, "ended": event.ended, "people": event.people});
        let events: Vec<Value> = due.iter().map(of).collect();
        return output::json(&json!({"dry_run": args.dry_run, "erased": erased, "events": events}));
    }
    if args.dry_run {
        output::say(format_args!(
            "{people} people of {} events would be erased",
            due.len()
        ));
    } else if people == 0 {
        output::say("nobody is to be erased");
    }
    Ok(())
}

/// Asks on a terminal; elsewhere `--yes` has to say it.
fn agreed(args: &EraseArgs, what: &str) -> Result<(), Failure> {
    if args.yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(format!("{what}: say --yes to do it")));
    }
    output::say(format_args!("{what}. Type yes to do it:"));
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(Failure::unreachable)?;
    if answer.trim() == "yes" {
        Ok(())
    } else {
        Err(Failure::refused("nobody was erased"))
    }
}

impl Book {
    fn open(place: Place) -> Result<Self, Failure> {
        Ok(match place {
            Place::Server(server) => Self::Server(server),
            Place::Directory(dir) => Self::open_here(&dir)?,
        })
    }

    fn open_here(dir: &Path) -> Result<Self, Failure> {
        let local = Local::open(dir)?;
        let handler = CommandHandler::new(local.log.clone());
        Ok(Self::Here(Box::new(local), handler))
    }

    fn erase(&self, code: &Code) -> Result<u64, Failure> {
        match self {
            Self::Server(server) => {
                let path = format!("/api/events/participants/{}/erase/", in_path(code));
                let answer = server.post(&path, &json!({}))?;
                let offset = answer.offset.unwrap_or_default();
                answer.good().map(|_| offset)
            }
            Self::Here(local, handler) => {
                let gathering = (local.log.gathering_of_code(code))
                    .ok_or_else(|| Failure::refused("no ticket has this code"))?;
                let command = Command::Erase(Erase { code: code.clone() });
                let handled = handler.handle(gathering, command, operator());
                let accepted = local.runtime.block_on(handled).map_err(Failure::check)?;
                Ok(accepted.recorded.offset)
            }
        }
    }

    fn ended_before(&self, limit: Timestamp) -> Result<Vec<Due>, Failure> {
        let mut all = match self {
            Self::Server(server) => listed(server)?,
            Self::Here(local, _) => (local.views.rows().iter())
                .map(|row| Due {
                    id: row.id,
                    name: row.details.name.to_string(),
                    ended: row.details.end_date.unwrap_or(row.details.start_date),
                    people: 0,
                })
                .collect(),
        };
        all.retain(|event| event.ended < limit);
        Ok(all)
    }

    fn not_erased(&self, gathering: GatheringId) -> Result<u64, Failure> {
        match self {
            Self::Server(server) => {
                let path = format!("/api/events/{gathering}/erase/?dry_run=true");
                let answer = server.post(&path, &json!({}))?.good()?;
                Ok(answer["remaining"].as_u64().unwrap_or_default())
            }
            Self::Here(local, handler) => {
                let counted = local.runtime.block_on(handler.not_erased(gathering));
                counted.map(|people| people as u64).map_err(Failure::check)
            }
        }
    }

    /// Erases everybody of an event; `each` hears how many went with each step.
    fn erase_all(&self, gathering: GatheringId, mut each: impl FnMut(u64)) -> Result<(), Failure> {
        loop {
            let (erased, remaining) = match self {
                Self::Server(server) => {
                    let path = format!("/api/events/{gathering}/erase/");
                    let answer = server.post(&path, &json!({}))?.good()?;
                    let number = |field: &str| answer[field].as_u64().unwrap_or_default();
                    (number("erased"), number("remaining"))
                }
                Self::Here(local, handler) => {
                    let step = handler.erase_next(gathering, operator());
                    let together = local.runtime.block_on(step).map_err(Failure::check)?;
                    (together.erased as u64, together.remaining as u64)
                }
            };
            each(erased);
            if remaining == 0 || erased == 0 {
                return Ok(());
            }
        }
    }

    fn close(self) -> Result<(), Failure> {
        match self {
            Self::Server(_) => Ok(()),
            Self::Here(local, handler) => {
                handler.close();
                local.close()
            }
        }
    }
}

/// All events that a server shows.
fn listed(server: &Server) -> Result<Vec<Due>, Failure> {
    let mut all = Vec::new();
    let mut query = vec![("limit", PAGE_EVENTS.to_owned())];
    loop {
        let page = server.get("/api/events/", &query)?;
        for event in page["results"].as_array().into_iter().flatten() {
            let text = |field: &str| event[field].as_str();
            let moment = |field: &str| text(field).and_then(|text| Timestamp::parse(text).ok());
            let id = text("id").and_then(|id| id.parse().ok());
            let ended: Option<Timestamp> = moment("end_date").or_else(|| moment("start_date"));
            let (Some(id), Some(ended)) = (id, ended) else {
                return Err(Failure::refused(
                    "the server's events are not what they should be",
                ));
            };
            all.push(Due {
                id,
                name: text("name").unwrap_or_default().to_owned(),
                ended,
                people: 0,
            });
        }
        match page["next"].as_str() {
            Some(next) => {
                query.truncate(1);
                query.push(("after", next.to_owned()));
            }
            None => return Ok(all),
        }
    }
}

/// A code as it stands in a path: percent-encoded, but for what needs none.
fn in_path(code: &Code) -> String {
    let mut path = String::new();
    for byte in code.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}

fn operator() -> Context {
    Context {
        actor_id: OPERATOR.into(),
        actor_role: ActorRole::Operator,
        actor_name: None,
        correlation: CorrelationId::generate(),
        command_id: None,
        now: Timestamp::now(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_a_unit() {
        assert_eq!("30d".parse(), Ok(Age(30 * 86_400)));
        assert_eq!("0h".parse(), Ok(Age(0)));
        assert_eq!("2w".parse(), Ok(Age(14 * 86_400)));
        for wrong in ["", "30", "d", "-1d", "1.5d", "1y", "é"] {
            assert!(wrong.parse::<Age>().is_err(), "{wrong}");
        }
    }
}
