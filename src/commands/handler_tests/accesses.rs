//! Recording who reads what, with and without the gathering's model in memory.

use super::*;
use crate::{
    commands::{loading, model::Model, record_access::RecordAccess, spec::subject},
    events::{
        event::{Accessed, ExportFormat},
        log::PAGE_EVENTS_MAX,
    },
};

fn page() -> RecordAccess {
    RecordAccess {
        what: Accessed::Participant,
        subject: Some(subject("A1")),
        format: None,
    }
}

fn export() -> RecordAccess {
    RecordAccess {
        what: Accessed::HistoryExport,
        subject: None,
        format: Some(ExportFormat::Csv),
    }
}

/// From the first event on, without a snapshot.
fn fold(log: &Log, gathering: GatheringId) -> Model {
    let mut model = Model::default();
    loop {
        let page = log.read_gathering(gathering, model.offset(), log.head(), PAGE_EVENTS_MAX);
        let page = page.unwrap();
        if page.is_empty() {
            return model;
        }
        for recorded in &page {
            model.evolve(recorded);
        }
    }
}

fn accesses(log: &Log) -> usize {
    let events = log.read(0, PAGE_EVENTS_MAX).unwrap();
    let is_access = |event: &Event| matches!(event, Event::PersonalDataAccessed(_));
    events.iter().filter(|it| is_access(&it.event)).count()
}

impl Door {
    async fn record(&self, access: RecordAccess) -> Result<u64, CommandError> {
        self.handler
            .record_access(self.gathering, access, context(None))
            .await
    }

    fn has_model(&self) -> bool {
        self.handler.slot(self.gathering).owner.lock().is_some()
    }
}

#[tokio::test]
async fn a_read_of_a_gathering_that_is_not_in_memory_brings_no_model_there() {
    let door = Door::open(|_| ()).await.restarted();
    let head = door.log.head();
    assert_eq!(door.record(export()).await.unwrap(), head + 1);
    assert_eq!(door.record(page()).await.unwrap(), head + 2);
    assert_eq!(door.log.head(), head + 2, "durable when answered");
    assert!(!door.has_model());
    let recorded = door.log.get(head + 2).unwrap().unwrap();
    let Event::PersonalDataAccessed(access) = &recorded.event else {
        panic!("{recorded:?}");
    };
    assert_eq!(access.subject, Some(subject("A1")));
    let (name, whose) = (recorded.actor.name.as_ref().unwrap(), door.gathering);
    let keys = door.log.keys();
    let name = keys.unseal(whose, whose.to_bytes(), name).unwrap();
    assert_eq!(name, b"Ana Ruiz");
}

#[tokio::test]
async fn the_same_read_is_recorded_once_and_an_export_every_time_whether_or_not_there_is_a_model() {
    let door = Door::open(|_| ()).await.restarted();
    let first = door.record(page()).await.unwrap();
    assert_eq!(door.record(page()).await.unwrap(), first);
    door.handler.ready(door.gathering).await.unwrap();
    assert_eq!(door.record(page()).await.unwrap(), first);
    assert_eq!(door.record(export()).await.unwrap(), first + 1);
    assert_eq!(door.record(export()).await.unwrap(), first + 2);
    door.handler.tidy();
    assert_eq!(door.record(page()).await.unwrap(), first);
    door.handler.close();
    assert!(!door.has_model());
    assert_eq!(door.record(page()).await.unwrap(), first + 3);
    assert_eq!(accesses(&door.log), 4);
}

#[tokio::test]
async fn nothing_is_recorded_of_a_gathering_that_is_not_there_or_in_a_log_that_is_closed() {
    let door = Door::open(|_| ()).await.restarted();
    let nowhere = GatheringId::generate();
    let refused = (door.handler)
        .record_access(nowhere, page(), context(None))
        .await;
    assert!(matches!(
        refused,
        Err(CommandError::Refused(Refusal::UnknownGathering))
    ));
    assert_eq!(door.log.gatherings(), [door.gathering]);
    door.log.close().unwrap();
    let closed = door.record(export()).await;
    assert!(matches!(closed, Err(CommandError::Unavailable(_))));
}

#[tokio::test]
async fn the_house_has_a_key_from_its_first_record_on() {
    let log = Log::in_memory();
    let door = Door {
        handler: CommandHandler::new(log.clone()),
        log,
        gathering: GatheringId::HOUSE,
    };
    let house = door.gathering;
    for offset in 1..=2 {
        assert_eq!(door.record(export()).await.unwrap(), offset);
    }
    assert!(!door.has_model());
    for recorded in door.log.read(0, 10).unwrap() {
        let name = recorded.actor.name.as_ref().unwrap();
        let name = door.log.keys().unseal(house, house.to_bytes(), name);
        assert_eq!(name.unwrap(), b"Ana Ruiz");
    }
}

/// Commands, records and a tidy that drops the model, all at once and over and over: an event that a model
/// missed would leave it behind the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn records_and_commands_at_once_leave_a_model_that_is_what_the_log_gives() {
    const ROUNDS: usize = 20;
    const EACH: usize = 8;
    let mut door = Door::open(|_| ()).await;
    door.handle(register(Some("A1"), "Ana"), None)
        .await
        .unwrap();
    for round in 0..ROUNDS {
        door = door.restarted();
        let head = door.log.head();
        let mut tasks = Vec::new();
        for n in 0..EACH {
            let (handler, gathering) = (door.handler.clone(), door.gathering);
            tasks.push(tokio::spawn(async move {
                let recorded = handler.record_access(gathering, export(), context(None));
                recorded.await.unwrap()
            }));
            let handler = door.handler.clone();
            let code = format!("R{round}-{n}");
            tasks.push(tokio::spawn(async move {
                let command = register(Some(&code), "Ana");
                let accepted = handler.handle(gathering, command, context(None));
                accepted.await.unwrap().recorded.offset
            }));
            let handler = door.handler.clone();
            tokio::task::spawn_blocking(move || handler.close())
                .await
                .unwrap();
        }
        let mut offsets = Vec::new();
        for task in tasks {
            offsets.push(task.await.unwrap());
        }
        offsets.sort_unstable();
        let expected: Vec<u64> = (head + 1..=head + 2 * EACH as u64).collect();
        assert_eq!(offsets, expected);
        door.handler.ready(door.gathering).await.unwrap();
        let model = door.handler.look(door.gathering, Clone::clone).unwrap();
        assert_eq!(model, fold(&door.log, door.gathering), "round {round}");
    }
    assert_eq!(accesses(&door.log), ROUNDS * EACH);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_may_load_a_model_finds_everything_recorded_without_one_in_the_log() {
    const RECORDS: usize = 500;
    let door = Door::open(|_| ()).await.restarted();
    let slot = door.handler.slot(door.gathering);
    let log = door.log.clone();
    let last = door.log.head() + RECORDS as u64;
    let loader = tokio::task::spawn_blocking(move || {
        loop {
            let may_load = slot.loading.lock();
            assert!(slot.owner.lock().is_none());
            assert_eq!(log.statistics().queued, 0);
            let model = loading::load(&log, door.gathering).unwrap().model;
            assert_eq!(model.offset(), log.head());
            drop(may_load);
            if model.offset() == last {
                return model;
            }
        }
    });
    let mut tasks = Vec::new();
    for _ in 0..RECORDS {
        let (handler, gathering) = (door.handler.clone(), door.gathering);
        tasks.push(tokio::spawn(async move {
            let recorded = handler.record_access(gathering, export(), context(None));
            recorded.await.unwrap();
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let model = loader.await.unwrap();
    assert_eq!(model, fold(&door.log, door.gathering));
    assert!(!door.has_model());
}
