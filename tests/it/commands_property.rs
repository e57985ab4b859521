//! Any history of random commands gives the same views by live application, by a fresh load, by
//! rebuild, and by a naive fold of the log written here; and every command sent again is answered
//! with the event it had.

use std::{collections::BTreeMap, sync::Arc};

use doorbook::{
    commands::{
        Accepted, Command, CommandError, CommandHandler, Context,
        cancel::Cancel,
        change_gathering::ChangeGathering,
        create_gathering::CreateGathering,
        gathering_id_for,
        mint_door_token::MintDoorToken,
        register::Register,
        scan::{ScanDetails, ScanTicket},
        undo::{Undo, UndoAuthority},
    },
    events::{
        event::{
            ActorRole, CapacityMode, Direction, DoorRole, Event, GatheringDetails, Person, Reentry,
            RegistrationPolicy,
        },
        ids::{Code, CommandId, CorrelationId, GatheringId, Offset, ParticipantId},
        log::{Log, PAGE_EVENTS_MAX},
        recorded::Recorded,
        time::Timestamp,
    },
    projections::{
        Views,
        participants::{Occupancy, Status},
        views::{ParticipantsQuery, RebuildState},
    },
};
use proptest::prelude::*;

const GATHERINGS: usize = 2;
const TICKETS: usize = 6;
const CAPACITY: u32 = 3;

#[derive(Debug, Clone)]
struct Step {
    kind: u8,
    gathering: usize,
    ticket: usize,
    gate: usize,
    offline: bool,
    over: bool,
    /// Which earlier command is sent again instead, counted from the last; 0 to 9 of 40.
    again: usize,
}

fn step() -> impl Strategy<Value = Step> {
    (
        0..17_u8,
        0..GATHERINGS,
        0..TICKETS,
        0..3_usize,
        prop::bool::weighted(0.15),
        prop::bool::weighted(0.15),
        0..40_usize,
    )
        .prop_map(
            |(kind, gathering, ticket, gate, offline, over, again)| Step {
                kind,
                gathering,
                ticket,
                gate,
                offline,
                over,
                again,
            },
        )
}

fn code(gathering: usize, ticket: usize) -> Code {
    Code::parse(&format!("T{gathering}-{ticket}")).unwrap()
}

fn command_of(step: &Step) -> Command {
    let ticket = code(step.gathering, step.ticket);
    let details = ScanDetails {
        gate: [None, Some("north"), Some("south")][step.gate].map(Arc::from),
        offline_fact: step.offline,
        override_reason: step.over.then(|| "known to us".to_owned()),
        ..ScanDetails::default()
    };
    let scan = |code, direction| {
        Command::Scan(ScanTicket {
            code,
            direction,
            details: details.clone(),
        })
    };
    match step.kind {
        0..=2 => Command::Register(Register {
            code: Some(ticket),
            person: Person {
                first_name: format!("First{}", step.ticket),
                last_name: format!("Last{}", step.gathering),
                email: String::new(),
                note: None,
            },
            ticket_type: None,
            external_id: None,
        }),
        3..=8 => scan(ticket, Direction::In),
        9..=11 => scan(ticket, Direction::Out),
        // Somebody else's ticket, or nobody's.
        12 => scan(code(step.gathering + 1, step.ticket), Direction::In),
        13 => Command::Undo(Undo {
            code: ticket,
            scan_id: None,
            reason: Some("a mistake".to_owned()),
            authority: UndoAuthority::AnyWithReason,
        }),
        14 => Command::Cancel(Cancel {
            code: ticket,
            reason: None,
        }),
        15 => Command::MintDoorToken(MintDoorToken {
            name: format!("Zoë {}", step.gate).into(),
            door_role: DoorRole::Steward,
            expires_at: Timestamp::parse("2026-05-02T18:00:00Z").unwrap(),
        }),
        _ => Command::ChangeGathering(ChangeGathering {
            reentry: Some(if step.over {
                Reentry::Never
            } else {
                Reentry::AfterCheckOut
            }),
            ..ChangeGathering::default()
        }),
    }
}

fn context(number: usize, id: Option<String>) -> Context {
    let second = i64::try_from(number).unwrap();
    Context {
        actor_id: "staff".into(),
        actor_role: ActorRole::Supervisor,
        actor_name: None,
        correlation: CorrelationId::generate(),
        command_id: id.map(|id| CommandId::parse(&id).unwrap()),
        now: Timestamp::parse("2026-05-01T18:00:00Z")
            .unwrap()
            .plus_seconds(second),
    }
}

async fn create(handler: &CommandHandler, number: usize) -> GatheringId {
    let id = CommandId::parse(&format!("create-{number}")).unwrap();
    let gathering = gathering_id_for(Some(&id), "staff");
    let details = GatheringDetails {
        name: "Evening".into(),
        creator: "staff".into(),
        start_date: Timestamp::parse("2026-05-01T18:00:00Z").unwrap(),
        end_date: None,
        time_zone: chrono_tz::Tz::UTC,
        capacity: Some(CAPACITY),
        capacity_mode: CapacityMode::Refuse,
        reentry: Reentry::AfterCheckOut,
        opens_at: None,
        closes_at: None,
        registration: RegistrationPolicy::Staff,
    };
    let command = Command::CreateGathering(CreateGathering { details });
    let context = context(0, Some(id.to_string()));
    handler.handle(gathering, command, context).await.unwrap();
    gathering
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Folded {
    code: String,
    cancelled: bool,
    /// Scans that count: offset, direction, when, where.
    scans: Vec<(Offset, Direction, Timestamp, Option<String>)>,
}

impl Folded {
    fn inside(&self) -> bool {
        self.scans
            .last()
            .is_some_and(|scan| scan.1 == Direction::In)
    }

    fn entries(&self) -> usize {
        self.scans
            .iter()
            .filter(|scan| scan.1 == Direction::In)
            .count()
    }
}

type People = BTreeMap<ParticipantId, Folded>;

fn everything(log: &Log) -> Vec<Arc<Recorded>> {
    let mut events = Vec::new();
    loop {
        let after = events.len() as u64;
        let page = log.read(after, PAGE_EVENTS_MAX).unwrap();
        if page.is_empty() {
            return events;
        }
        events.extend(page);
    }
}

/// The naive fold: a list of scans each, an undo takes one out.
fn fold(events: &[Arc<Recorded>], gathering: GatheringId) -> People {
    let mut people = People::new();
    for recorded in events.iter().filter(|it| it.gathering == gathering) {
        let scanned = |scan: &doorbook::events::event::Scan, direction| {
            let gate = scan.gate.as_deref().map(str::to_owned);
            (recorded.offset, direction, recorded.occurred_at, gate)
        };
        match &recorded.event {
            Event::ParticipantRegistered(registration) => {
                let folded = Folded {
                    code: registration.subject.code.to_string(),
                    ..Folded::default()
                };
                let before = people.insert(registration.subject.participant, folded);
                assert_eq!(before, None, "registered once");
            }
            Event::ParticipantCheckedIn(scan) => {
                let person = people.get_mut(&scan.subject.participant).unwrap();
                person.scans.push(scanned(scan, Direction::In));
            }
            Event::ParticipantCheckedOut(scan) => {
                let person = people.get_mut(&scan.subject.participant).unwrap();
                person.scans.push(scanned(scan, Direction::Out));
            }
            Event::ScanUndone {
                subject, undoes, ..
            } => {
                let scans = &mut people.get_mut(&subject.participant).unwrap().scans;
                let before = scans.len();
                scans.retain(|scan| scan.0 != *undoes);
                assert_eq!(scans.len() + 1, before, "only a scan that counts is undone");
            }
            Event::RegistrationCancelled { subject, .. } => {
                let person = people.get_mut(&subject.participant).unwrap();
                assert!(!person.cancelled, "cancelled once");
                person.cancelled = true;
            }
            Event::GatheringCreated(_)
            | Event::GatheringChanged(_)
            | Event::ServiceTeamChanged { .. }
            | Event::ScanRefused { .. }
            | Event::ParticipantErased { .. }
            | Event::DoorTokenMinted(_)
            | Event::DoorTokenRevoked { .. }
            | Event::PersonalDataAccessed(_) => {}
        }
        assert_capacity(recorded, &people);
    }
    people
}

/// Nobody is over capacity who was neither waved through by a supervisor nor inside already.
fn assert_capacity(recorded: &Recorded, people: &People) {
    if let Event::ParticipantCheckedIn(scan) = &recorded.event
        && scan.warnings.is_empty()
        && scan.overridden.is_none()
    {
        let inside = people.values().filter(|person| person.inside()).count();
        assert!(inside <= CAPACITY as usize, "offset {}", recorded.offset);
    }
}

async fn assert_views(views: &Views, gathering: GatheringId, people: &People) {
    let query = ParticipantsQuery {
        limit: 100,
        ..ParticipantsQuery::default()
    };
    let page = views.participants(gathering, query).await.unwrap();
    assert_eq!(page.results.len(), people.len());
    for seen in &page.results {
        let person = &people[&seen.id];
        let last_in = person.scans.iter().rfind(|scan| scan.1 == Direction::In);
        assert_eq!(seen.event_pax_id.as_str(), person.code);
        assert_eq!(seen.status == Status::Cancelled, person.cancelled);
        assert_eq!(seen.checked_in, person.inside());
        assert_eq!(seen.entries as usize, person.entries());
        assert_eq!(seen.check_in_time, last_in.map(|scan| scan.2));
        let last_gate = person.scans.last().and_then(|scan| scan.3.clone());
        assert_eq!(seen.last_gate.as_deref().map(str::to_owned), last_gate);
    }
    let count = |test: fn(&Folded) -> bool| {
        u32::try_from(people.values().filter(|person| test(person)).count()).unwrap()
    };
    let occupancy = Occupancy {
        inside: count(Folded::inside),
        checked_in: count(|person| person.entries() > 0),
        registered: count(|person| !person.cancelled),
        capacity: Some(CAPACITY),
    };
    assert_eq!(views.row(gathering).unwrap().occupancy, occupancy);
    let snapshot = views.snapshot(gathering, 100).await.unwrap();
    assert_eq!(snapshot.row.occupancy, occupancy);
}

/// What is remembered of a command that has an event.
struct Sent {
    step: Step,
    number: usize,
    offset: Offset,
}

async fn send(
    handler: &CommandHandler,
    gatherings: &[GatheringId],
    step: &Step,
    number: usize,
) -> Result<Accepted, CommandError> {
    let context = context(number, Some(format!("command-{number}")));
    handler
        .handle(gatherings[step.gathering], command_of(step), context)
        .await
}

async fn check(steps: Vec<Step>) {
    let log = Log::in_memory();
    let mut handler = CommandHandler::new(log.clone());
    let mut gatherings = Vec::new();
    for number in 0..GATHERINGS {
        gatherings.push(create(&handler, number).await);
    }
    let live = Views::open(log.clone()).unwrap();
    let mut sent: Vec<Sent> = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        if step.again < 10
            && let Some(before) = sent.iter().rev().nth(step.again)
        {
            let head = log.head();
            let answer = send(&handler, &gatherings, &before.step, before.number).await;
            let answer = answer.unwrap();
            assert!(answer.replayed);
            assert_eq!((answer.recorded.offset, log.head()), (before.offset, head));
            continue;
        }
        match send(&handler, &gatherings, step, number).await {
            Ok(accepted) => sent.push(Sent {
                step: step.clone(),
                number,
                offset: accepted.recorded.offset,
            }),
            Err(CommandError::Refused(_)) => {}
            Err(error) => panic!("{error}"),
        }
        if number % 37 == 36 {
            handler = CommandHandler::new(log.clone());
        }
        if number % 11 == 10 {
            let people = fold(&everything(&log), gatherings[step.gathering]);
            assert_views(&live, gatherings[step.gathering], &people).await;
        }
    }
    let events = everything(&log);
    let fresh = Views::open(log.clone()).unwrap();
    for views in [&live, &fresh] {
        for gathering in &gatherings {
            assert_views(views, *gathering, &fold(&events, *gathering)).await;
        }
        let end = views.rebuild_blocking("all", |_| {}).unwrap();
        assert_eq!(end.state, RebuildState::Done);
        for gathering in &gatherings {
            assert_views(views, *gathering, &fold(&events, *gathering)).await;
        }
        assert_eq!(views.verify_views(|_, _| {}).unwrap(), None);
    }
    let handler = CommandHandler::new(log.clone());
    for before in &sent {
        let answer = send(&handler, &gatherings, &before.step, before.number).await;
        assert_eq!(answer.unwrap().recorded.offset, before.offset);
    }
    assert_eq!(log.head(), events.len() as u64);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        max_shrink_iters: 256,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_history_of_commands_gives_the_same_views_live_loaded_rebuilt_and_folded_naively(
        steps in prop::collection::vec(step(), 1..220),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(check(steps));
    }
}
