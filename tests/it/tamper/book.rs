//! The data directory that is tampered with: two gatherings, decided by the real command handler,
//! followed by the real views, closed with all that a server leaves behind; and everything that
//! anybody can read in such a directory.

use std::{
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use doorbook::{
    commands::{
        Command, CommandHandler, Context,
        cancel::Cancel,
        check_in::CheckIn,
        check_out::CheckOut,
        create_gathering::CreateGathering,
        gathering_id_for,
        model::{self, Model},
        register::Register,
        scan::ScanDetails,
        undo::{Undo, UndoAuthority},
    },
    events::{
        event::{ActorRole, CapacityMode, GatheringDetails, Person, Reentry, RegistrationPolicy},
        ids::{Code, CommandId, CorrelationId},
        log::{Log, OpenError, PAGE_EVENTS_MAX},
        recorded::Recorded,
        snapshot::Scope,
        time::Timestamp,
    },
    projections::{
        Views,
        dashboard::Row,
        views::{HistoryQuery, ParticipantsQuery},
    },
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::verdict::Kept;
use crate::log_history::{data_dir, read_all};

/// Enough for each view to save its state.
const PEOPLE: usize = 60;
const SCANS: usize = 260;
const PAGE: usize = 1_000;
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Book {
    dir: TempDir,
    /// Signed at the head, and not in the directory.
    pub(super) kept: Kept,
    pub(super) content: Content,
    _outside: TempDir,
}

impl Book {
    pub(super) fn write() -> Self {
        let (dir, outside) = (data_dir(), data_dir());
        let kept = Kept {
            checkpoint: outside.path().join("checkpoint"),
            key: outside.path().join("key"),
        };
        let runtime = runtime();
        let entered = runtime.enter();
        let (log, _) = Log::open(dir.path()).unwrap();
        let views = Views::open(log.clone()).unwrap();
        let handler = CommandHandler::new(log.clone());
        let mut number = 0;
        for name in ["Harbour Fair", "Harbour Talk"] {
            gathering(&runtime, &handler, name, &mut number);
        }
        save_models(&log);
        let signed = runtime.block_on(views.checkpoint()).unwrap();
        std::fs::write(&kept.checkpoint, signed.note).unwrap();
        handler.close();
        views.close();
        log.close().unwrap();
        drop(entered);
        std::fs::copy(dir.path().join("integrity/verifier-keys"), &kept.key).unwrap();
        let content = Content::read(dir.path());
        Self {
            dir,
            kept,
            content,
            _outside: outside,
        }
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }
}

/// All that can be read.
#[derive(PartialEq)]
pub(super) struct Content {
    events: Vec<Arc<Recorded>>,
    rows: Vec<Arc<Row>>,
    /// With their names, unsealed.
    people: Vec<Value>,
    history: Vec<Value>,
}

impl Content {
    pub(super) fn read(dir: &Path) -> Self {
        let runtime = runtime();
        let entered = runtime.enter();
        let log = open_when_free(dir);
        let views = Views::open(log.clone()).unwrap();
        let (mut people, mut history) = (Vec::new(), Vec::new());
        for gathering in log.gatherings() {
            let query = ParticipantsQuery {
                limit: PAGE,
                ..ParticipantsQuery::default()
            };
            let page = runtime
                .block_on(views.participants(gathering, query))
                .unwrap();
            people.extend(
                page.results
                    .iter()
                    .map(|it| serde_json::to_value(it).unwrap()),
            );
            let query = HistoryQuery {
                gathering: Some(gathering),
                limit: PAGE,
                ..HistoryQuery::default()
            };
            let page = runtime.block_on(views.history(query)).unwrap();
            history.extend(
                page.results
                    .iter()
                    .map(|it| serde_json::to_value(it).unwrap()),
            );
        }
        let content = Self {
            events: read_all(&log),
            rows: views.rows(),
            people,
            history,
        };
        views.close();
        log.close().unwrap();
        drop(entered);
        content
    }

    pub(super) fn is_worth_tampering_with(&self) -> bool {
        self.events.len() > 2 * (PEOPLE + SCANS)
            && self.rows.len() == 2
            && self.people.len() == 2 * PEOPLE
            && self.people[7]["user"]["last_name"] == "Vega 7"
            && self.history.len() == self.events.len()
    }
}

/// Whoever had it open before may still be reading when it has been closed.
fn open_when_free(dir: &Path) -> Log {
    let give_up = Instant::now() + PATIENCE;
    loop {
        match Log::open(dir) {
            Err(OpenError::InUse { .. }) if Instant::now() < give_up => thread::yield_now(),
            opened => return opened.unwrap().0,
        }
    }
}

pub(super) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

/// As a server does of a gathering with many more events.
fn save_models(log: &Log) {
    for gathering in log.gatherings() {
        let mut model = Model::default();
        let head = log.head();
        for recorded in log
            .read_gathering(gathering, 0, head, PAGE_EVENTS_MAX)
            .unwrap()
        {
            model.evolve(&recorded);
        }
        log.snapshots()
            .save(
                model::FOLD,
                Scope::Gathering(gathering),
                model.offset(),
                &model,
            )
            .unwrap();
    }
}

fn gathering(runtime: &Runtime, handler: &CommandHandler, name: &str, number: &mut usize) {
    let first = context(number);
    let gathering = gathering_id_for(first.command_id.as_ref(), &first.actor_id);
    let details = GatheringDetails {
        name: name.into(),
        creator: Arc::clone(&first.actor_id),
        start_date: first.now,
        end_date: None,
        time_zone: chrono_tz::Europe::Amsterdam,
        capacity: Some(500),
        capacity_mode: CapacityMode::Warn,
        reentry: Reentry::AfterCheckOut,
        opens_at: None,
        closes_at: None,
        registration: RegistrationPolicy::Staff,
    };
    let create = Command::CreateGathering(CreateGathering { details });
    runtime
        .block_on(handler.handle(gathering, create, first))
        .unwrap();
    let mut waiting = Vec::new();
    for at in 0..PEOPLE + SCANS {
        let command = command(name, at);
        waiting.push(handler.submit(gathering, command, context(number)).unwrap());
        // Frames of many sizes.
        if at % 11 == 0 || at % 37 < 4 {
            for submitted in waiting.drain(..) {
                runtime.block_on(submitted.durable()).unwrap();
            }
        }
    }
    for submitted in waiting {
        runtime.block_on(submitted.durable()).unwrap();
    }
}

/// Everybody registers; then people come and go, show tickets twice, are taken back, and two cancel.
fn command(name: &str, at: usize) -> Command {
    let code = |person: usize| Code::parse(&format!("{}-{person:04}", &name[8..])).unwrap();
    if at < PEOPLE {
        return Command::Register(Register {
            code: Some(code(at)),
            person: Person {
                first_name: "Ines".to_owned(),
                last_name: format!("Vega {at}"),
                email: format!("ines{at}@example.org"),
                note: at.is_multiple_of(9).then(|| "needs a ramp".to_owned()),
            },
            ticket_type: Some("day".into()),
            external_id: None,
        });
    }
    let scan = at - PEOPLE;
    let person = scan * 7 % PEOPLE;
    let details = ScanDetails {
        gate: Some(["north", "south", "Tür 3"][scan % 3].into()),
        device: Some("reader-1".into()),
        ..ScanDetails::default()
    };
    match scan % 29 {
        27 => Command::Undo(Undo {
            code: code((scan - 1) * 7 % PEOPLE),
            scan_id: None,
            reason: Some("the wrong person".to_owned()),
            authority: UndoAuthority::Any,
        }),
        28 if scan < 60 => Command::Cancel(Cancel {
            code: code(PEOPLE - 1 - scan % 5),
            reason: None,
        }),
        _ if (scan / PEOPLE).is_multiple_of(2) => Command::CheckIn(CheckIn {
            code: code(person),
            details,
        }),
        _ => Command::CheckOut(CheckOut {
            code: code(person),
            details,
        }),
    }
}

fn context(number: &mut usize) -> Context {
    *number += 1;
    Context {
        actor_id: format!("steward-{}", *number % 5).into(),
        actor_role: ActorRole::Supervisor,
        actor_name: Some("Sue Storm".into()),
        correlation: CorrelationId::generate(),
        command_id: CommandId::parse(&format!("command-{number}")).ok(),
        now: Timestamp(1_777_658_400_000_000).plus_seconds(i64::try_from(*number).unwrap()),
    }
}
