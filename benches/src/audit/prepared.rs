//! The data directory of all rows: one large gathering, whose people come, go, come again and are now
//! and then turned away, and a few small ones after it. Decided by the real command handler with the
//! views open beside it, as in a server, but in process, where a million commands take seconds.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context as _, Result, ensure};
use doorbook::{
    commands::{
        Command, CommandError, CommandHandler, Context, check_in::CheckIn, check_out::CheckOut,
        create_gathering::CreateGathering, gathering_id_for, handler::Submitted,
        register::Register, scan::ScanDetails,
    },
    events::{
        event::{ActorRole, CapacityMode, GatheringDetails, Person, Reentry, RegistrationPolicy},
        ids::{Code, CommandId, CorrelationId, GatheringId},
        log::Log,
        time::Timestamp,
    },
    projections::Views,
};
use tokio::runtime::Runtime;

use super::Size;
use crate::{doorbook_server::json_post, report::short};

/// Where people come in, and one where hardly anybody does.
pub(super) const GATES: [&str; 7] = ["north", "south", "east", "west", "hall-3", "hall-4", "vip"];
pub(super) const RARE_GATE: &str = "stage-door";
const RARE_SCANS: u64 = 50;
const SMALL_GATHERINGS: u64 = 3;
/// Every so many scans somebody shows a ticket again at once, and is refused.
const AGAIN_EVERY: u64 = 40;
const STEWARDS: u64 = 24;
/// Commands that are decided before their durability is waited for.
const BATCH: usize = 4_096;
/// It all happened within one day, and that day is over.
const DAY_SECONDS: i64 = 8 * 3_600;
const DAYS_AGO_SECONDS: i64 = 2 * 24 * 3_600;
/// Neighbours at the door are not neighbours in the list: a stride without a common divisor with
/// any round number of people.
const STRIDE: u64 = 7_919;

const FIRST_NAMES: [&str; 16] = [
    "Amélie",
    "Björn",
    "Chidi",
    "Dragana",
    "Eleni",
    "Fatima",
    "Grzegorz",
    "Hanna",
    "Ibrahim",
    "Jürgen",
    "Katarzyna",
    "Lars",
    "Mei",
    "Noor",
    "Oluwaseun",
    "Zoë",
];
const LAST_NAMES: [&str; 20] = [
    "Abadi",
    "Bergström",
    "Çelik",
    "Dvořák",
    "Eriksen",
    "Fernández",
    "García Márquez",
    "Hoffmann",
    "Ivanova",
    "Jansen",
    "Kowalska",
    "Lindqvist",
    "Müller",
    "Nakamura",
    "O’Connor",
    "Papadopoulou",
    "Rossi",
    "Schmidt-Weber",
    "Tanaka",
    "van der Berg",
];
const TICKET_TYPES: [&str; 4] = ["standard", "student", "press", "two days"];

pub(super) struct Prepared {
    dir: PathBuf,
    /// The large gathering.
    pub(super) gathering: GatheringId,
    pub(super) people: u64,
    /// Its events: the offsets 1 to this one.
    pub(super) events: u64,
    /// All events.
    pub(super) head: u64,
    /// How many have come through its doors, refusals not counted: who is next, and in which direction.
    turns: u64,
}

impl Prepared {
    pub(super) fn make(dir: &Path, size: &Size) -> Result<Self> {
        if dir.exists() {
            fs::remove_dir_all(dir)?;
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let entered = runtime.enter();
        let (log, _report) = Log::open(&dir.join("original"))?;
        let views = Views::open(log.clone())?;
        let mut book = Book {
            handler: CommandHandler::new(log.clone()),
            runtime: &runtime,
            begun: Timestamp::now().plus_seconds(-DAYS_AGO_SECONDS),
            step_micros: DAY_SECONDS * 1_000_000 / i64::try_from(size.events)?,
            commands: 0,
            waiting: Vec::with_capacity(BATCH),
        };
        let gathering = book.gathering("Harbour Fair", size.people)?;
        // As a server has it that answers check-ins: loaded, followed, and saved as it grows.
        let followed = runtime.block_on(views.watch_gathering(gathering))?;
        let turns = book.fill(gathering, size)?;
        let events = log.head();
        ensure!(events == size.events, "{events} events were made");
        for number in 0..SMALL_GATHERINGS {
            book.small(number, size)?;
        }
        let head = log.head();
        book.handler.close();
        drop(followed);
        views.close();
        log.close()?;
        drop(entered);
        Ok(Self {
            dir: dir.to_owned(),
            gathering,
            people: size.people,
            events,
            head,
            turns,
        })
    }

    /// A copy that may be written to, in place of any earlier one.
    pub(super) fn copy(&self, name: &str) -> Result<PathBuf> {
        let to = self.dir.join(name);
        if to.exists() {
            fs::remove_dir_all(&to)?;
        }
        copy_tree(&self.dir.join("original"), &to)
            .with_context(|| format!("cannot copy to {}", to.display()))?;
        Ok(to)
    }

    pub(super) fn remove(self) -> Result<()> {
        Ok(fs::remove_dir_all(&self.dir)?)
    }

    pub(super) fn words(&self) -> String {
        format!(
            "audit: a log of {} events; {} of them and {} participants in one gathering, {} gates and one with {RARE_SCANS} scans",
            short(self.head as f64),
            short(self.events as f64),
            short(self.people as f64),
            GATES.len()
        )
    }

    pub(super) fn gathering_path(&self, rest: &str) -> String {
        format!("/api/events/{}/{rest}", self.gathering)
    }

    /// Who comes through the doors of the large gathering next.
    pub(super) fn next_scans(&self, token: &str) -> NextScans {
        NextScans {
            people: self.people,
            turn: Arc::new(AtomicU64::new(self.turns)),
            token: token.to_owned(),
        }
    }
}

/// Scans as doors send them, one a call: all are admitted. Cheap handle; all clones let the same
/// people through.
#[derive(Clone)]
pub(super) struct NextScans {
    people: u64,
    turn: Arc<AtomicU64>,
    token: String,
}

impl NextScans {
    pub(super) fn one(&self, request: &mut Vec<u8>) {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let (person, inward) = who(turn, self.people);
        let way = if inward { "check-in" } else { "check-out" };
        let path = format!("/api/events/participants/{}/{way}/", code_text(0, person));
        let gate = gate_of(turn);
        let body =
            format!(r#"{{"scan_id":"late-{turn}","gate":"{gate}","device":"reader-{gate}"}}"#);
        json_post(request, &path, &self.token, &body);
    }
}

/// A ticket of the large gathering (0) or of a small one.
pub(super) fn code_text(gathering: u64, person: u64) -> String {
    format!("HF{gathering}-{person:06}")
}

/// The one who comes through at this turn, and whether inward: everybody in, everybody out, and so on.
const fn who(turn: u64, people: u64) -> (u64, bool) {
    let person = (turn % people).wrapping_mul(STRIDE) % people;
    (person, (turn / people).is_multiple_of(2))
}

struct Book<'a> {
    handler: CommandHandler,
    runtime: &'a Runtime,
    begun: Timestamp,
    step_micros: i64,
    commands: u64,
    waiting: Vec<Submitted>,
}

impl Book<'_> {
    fn gathering(&mut self, name: &str, people: u64) -> Result<GatheringId> {
        let context = self.context(0);
        let gathering = gathering_id_for(context.command_id.as_ref(), &context.actor_id);
        let details = GatheringDetails {
            name: name.into(),
            creator: Arc::clone(&context.actor_id),
            start_date: self.begun,
            end_date: Some(self.begun.plus_seconds(DAY_SECONDS)),
            time_zone: "Europe/Berlin"
                .parse()
                .map_err(|error| anyhow::anyhow!("{error}"))?,
            capacity: Some(u32::try_from(people)?),
            capacity_mode: CapacityMode::Warn,
            reentry: Reentry::AfterCheckOut,
            opens_at: None,
            closes_at: None,
            registration: RegistrationPolicy::Staff,
        };
        let command = Command::CreateGathering(CreateGathering { details });
        self.submit(gathering, command, context)?;
        self.settle()?;
        Ok(gathering)
    }

    /// Everybody registers, and then the doors are busy; returns how many came through.
    fn fill(&mut self, gathering: GatheringId, size: &Size) -> Result<u64> {
        for person in 0..size.people {
            self.register(gathering, 0, person)?;
        }
        let scans = size.events - size.people - 1;
        let rare_every = (scans / RARE_SCANS).max(1);
        let mut turn = 0;
        for scan in 0..scans {
            let again = turn > 0 && scan % AGAIN_EVERY == AGAIN_EVERY - 1;
            let rare = scan % rare_every == rare_every / 2 && scan / rare_every < RARE_SCANS;
            let gate = if rare { RARE_GATE } else { gate_of(scan) };
            self.scan(gathering, 0, turn - u64::from(again), size.people, gate)?;
            turn += u64::from(!again);
        }
        self.settle()?;
        Ok(turn)
    }

    fn small(&mut self, number: u64, size: &Size) -> Result<()> {
        let gathering = self.gathering(&format!("Harbour Talk {}", number + 1), size.few_people)?;
        for person in 0..size.few_people {
            self.register(gathering, number + 1, person)?;
        }
        for turn in 0..size.few_people {
            self.scan(gathering, number + 1, turn, size.few_people, gate_of(turn))?;
        }
        self.settle()
    }

    fn register(&mut self, gathering: GatheringId, number: u64, person: u64) -> Result<()> {
        let pick = |names: &[&'static str], salt: u64| {
            names[(person.wrapping_mul(salt) >> 7) as usize % names.len()]
        };
        let (first, last) = (pick(&FIRST_NAMES, 2_654_435_761), pick(&LAST_NAMES, 40_503));
        let command = Command::Register(Register {
            code: Some(Code::parse(&code_text(number, person))?),
            person: Person {
                first_name: first.to_owned(),
                last_name: last.to_owned(),
                email: format!("guest{person}.{number}@example.org"),
                note: None,
            },
            ticket_type: Some(TICKET_TYPES[person as usize % TICKET_TYPES.len()].into()),
            external_id: None,
        });
        let context = self.context(0);
        self.submit(gathering, command, context)
    }

    fn scan(
        &mut self,
        gathering: GatheringId,
        number: u64,
        turn: u64,
        people: u64,
        gate: &str,
    ) -> Result<()> {
        let (person, inward) = who(turn, people);
        let code = Code::parse(&code_text(number, person))?;
        let details = ScanDetails {
            gate: Some(gate.into()),
            device: Some(format!("reader-{gate}").into()),
            ..ScanDetails::default()
        };
        let command = if inward {
            Command::CheckIn(CheckIn { code, details })
        } else {
            Command::CheckOut(CheckOut { code, details })
        };
        let context = self.context(1 + turn % STEWARDS);
        self.submit(gathering, command, context)
    }

    /// Steward 0 is the organiser.
    fn context(&mut self, steward: u64) -> Context {
        let number = self.commands;
        self.commands += 1;
        let micros = i64::try_from(number).unwrap_or(i64::MAX);
        Context {
            actor_id: format!("steward-{steward:02}").into(),
            actor_role: if steward == 0 {
                ActorRole::Creator
            } else {
                ActorRole::Steward
            },
            actor_name: None,
            correlation: CorrelationId::generate(),
            command_id: CommandId::parse(&format!("scan-{number:010}")).ok(),
            now: Timestamp(self.begun.0 + micros.saturating_mul(self.step_micros)),
        }
    }

    fn submit(&mut self, gathering: GatheringId, command: Command, context: Context) -> Result<()> {
        if self.waiting.len() == BATCH {
            self.settle()?;
        }
        self.waiting
            .push(self.handler.submit(gathering, command, context)?);
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        self.runtime.block_on(async {
            for submitted in waiting {
                submitted.durable().await?;
            }
            Ok::<(), CommandError>(())
        })?;
        Ok(())
    }
}

fn gate_of(scan: u64) -> &'static str {
    GATES[(scan.wrapping_mul(2_654_435_761) >> 9) as usize % GATES.len()]
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), &to)?;
            // Else the copy is still being written out while the row is measured.
            fs::File::open(&to)?.sync_all()?;
        }
    }
    Ok(())
}
