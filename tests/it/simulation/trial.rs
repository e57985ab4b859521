//! Carries a plan out against a server and puts what was seen before the judge.

use std::sync::{Arc, Mutex};

use doorbook::events::ids::{Cursor, Epoch, GatheringId, Offset};
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Duration, Instant, timeout, timeout_at},
};

use super::{
    book::{Book, Topic, Who},
    errands::{Clerk, Sent},
    host::Host,
    judge::{From, Seen, Told, Verdict, Visit},
    plan::{Action, CREATORS, End, GATHERINGS, MEMBERS, Plan, SEATS, Start},
    subscriber::{Ears, Order, Refused, Subscriber},
};

/// Whoever has not seen everything after this long has lost it.
const PATIENCE: Duration = Duration::from_secs(30);

const QUIET: Duration = Duration::from_millis(20);

/// What a seed made of it.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tally {
    pub(super) events: u64,
    pub(super) visits: u64,
    pub(super) messages: u64,
    pub(super) resets: u64,
    pub(super) fell_behind: u64,
    pub(super) shut_out: u64,
}

struct Trial {
    host: Host,
    clerk: Clerk,
    ears: Ears,
    gatherings: Vec<GatheringId>,
    seats: Vec<Seat>,
    sending: Vec<JoinHandle<Sent>>,
    /// Of this life of the server.
    visits: Vec<Visit>,
    doors: Vec<Door>,
    told: Told,
    tally: Tally,
}

impl Tally {
    pub(super) const fn add(&mut self, other: Self) {
        self.events += other.events;
        self.visits += other.visits;
        self.messages += other.messages;
        self.resets += other.resets;
        self.fell_behind += other.fell_behind;
        self.shut_out += other.shut_out;
    }
}

#[derive(Default)]
struct Seat {
    subscriber: Option<Subscriber>,
    last: Option<Cursor>,
}

/// An attempt to connect to a gathering, between two heads of the log.
struct Door {
    who: Who,
    gathering: GatheringId,
    heads: (Offset, Offset),
    refused: Option<u16>,
}

pub(super) async fn run(plan: Plan) -> Verdict<Tally> {
    let mut trial = Trial::begin().await;
    for (number, (actions, end)) in plan.lives.into_iter().enumerate() {
        let life = trial.life(actions, end).await;
        life.map_err(|wrong| format!("life {number}, which ends with {end:?}: {wrong}"))?;
    }
    trial.host.stop().await;
    Ok(trial.tally)
}

impl Trial {
    async fn begin() -> Self {
        let mut host = Host::new();
        host.start().await;
        let ears = Ears {
            address: host.address(),
            epoch: host.log().epoch(),
            head: host.log().watch_head(),
            stirred: Arc::new(Notify::new()),
            cursors: Arc::new(Mutex::default()),
        };
        let mut trial = Self {
            clerk: Clerk::at(host.address()),
            host,
            ears,
            gatherings: Vec::new(),
            seats: (0..SEATS).map(|_| Seat::default()).collect(),
            sending: Vec::new(),
            visits: Vec::new(),
            doors: Vec::new(),
            told: Told::default(),
            tally: Tally::default(),
        };
        for _ in 0..GATHERINGS {
            trial.create_gathering().await;
        }
        trial
    }

    async fn create_gathering(&mut self) {
        let creator = CREATORS[self.gatherings.len() % CREATORS.len()];
        let id = self.clerk.create_gathering(creator).await;
        self.gatherings.push(id);
    }

    /// One life of the server: the actions, the end, the judgement, and the next start.
    async fn life(&mut self, actions: Vec<Action>, end: End) -> Verdict {
        for (number, action) in actions.into_iter().enumerate() {
            let what = format!("{action:.200?}");
            let done = self.act(action).await;
            done.map_err(|wrong| format!("action {number}, {what}: {wrong}"))?;
        }
        match end {
            End::Stop | End::Replace(_) => {
                // A narrow client that reads nothing would hold up the stop as long as it may.
                self.release();
                self.host.stop().await;
            }
            End::Die => {
                // Who was gone before is judged by the code they were sent away with.
                for seat in 0..SEATS {
                    let subscriber = self.seats[seat].subscriber.as_ref();
                    if subscriber.is_some_and(Subscriber::is_gone) {
                        self.vacate(seat).await;
                    }
                }
                self.host.drop_dead();
            }
        }
        let judged_by_code = self.visits.len();
        for sending in self.sending.drain(..) {
            // What was on its way at the end may have been refused, or not have been heard.
            sending.await.unwrap().ok();
        }
        for seat in 0..SEATS {
            self.vacate(seat).await;
        }
        if let End::Die = end {
            self.visits[judged_by_code..]
                .iter_mut()
                .for_each(silence_the_dying);
        }
        let book = self.host.book().await;
        self.judge(&book)?;
        if let End::Replace(percent) = end {
            let keep = (book.head() * percent / 100).max(GATHERINGS as Offset);
            self.host.become_another_log(keep).await;
            self.told = Told::default();
            self.gatherings
                .retain(|id| book.sees(Who::Superuser, *id, keep));
        }
        self.host.start().await;
        self.clerk = Clerk::at(self.host.address());
        self.ears.address = self.host.address();
        self.ears.epoch = self.host.log().epoch();
        self.ears.head = self.host.log().watch_head();
        Ok(())
    }

    async fn act(&mut self, action: Action) -> Verdict {
        match action {
            Action::Send(errands) => {
                let clerk = self.clerk.clone();
                let gatherings = self.gatherings.clone();
                let sending = async move { clerk.send(&gatherings, &errands).await };
                self.sending.push(tokio::spawn(sending));
            }
            Action::CreateGathering => self.create_gathering().await,
            Action::Open {
                seat,
                who,
                topic,
                start,
                narrow,
            } => {
                self.vacate(seat).await;
                let from = self.start(start, self.seats[seat].last);
                let (who, topic) = (self.who(who), self.topic(topic));
                return self.open(seat, who, topic, from, narrow).await;
            }
            Action::Tell { seat, order } => {
                if let Some(subscriber) = &mut self.seats[seat].subscriber {
                    subscriber.order(order);
                }
            }
            Action::Resume { seat, start } => {
                let from = match self.start(start, self.seats[seat].last) {
                    From::Nowhere => From::Latest,
                    from => from,
                };
                if let Some(subscriber) = &mut self.seats[seat].subscriber {
                    subscriber.order(Order::Resume(from));
                }
            }
            Action::Rebuild(view) => self.clerk.rebuild(view).await,
            Action::Await => {
                self.answered().await?;
                self.clerk.rebuilt().await;
            }
            Action::Settle => return self.settle().await,
        }
        Ok(())
    }

    fn who(&self, number: usize) -> Who {
        let gathering = self.gatherings[number / 100 % self.gatherings.len()];
        match number % 10 {
            0 => Who::Superuser,
            1 => Who::Auditor,
            2 => Who::AtDoor(gathering),
            3 | 4 => Who::Creator(CREATORS[number / 10 % CREATORS.len()]),
            _ => Who::Member(MEMBERS[number / 10 % MEMBERS.len()]),
        }
    }

    fn topic(&self, number: usize) -> Topic {
        if number.is_multiple_of(3) {
            return Topic::Dashboard;
        }
        Topic::CheckIn(self.gatherings[number % self.gatherings.len()])
    }

    fn start(&self, start: Start, own: Option<Cursor>) -> From {
        let epoch: Epoch = self.ears.epoch;
        let head = *self.ears.head.borrow();
        let known = self.ears.cursors.lock().unwrap();
        match start {
            Start::Nowhere => From::Nowhere,
            Start::Earliest => From::Earliest,
            Start::Latest => From::Latest,
            Start::Own => own.map_or(From::Nowhere, From::Cursor),
            Start::Known(_) if known.is_empty() => From::Nowhere,
            Start::Known(number) => From::Cursor(known[number % known.len()]),
            Start::Offset(percent) => From::Offset(head * percent / 100),
            Start::Ahead(by) => From::Offset(head + by),
            Start::AheadCursor(by) => From::Cursor(Cursor {
                epoch,
                offset: head + by,
            }),
            Start::Foreign => From::Foreign,
        }
    }

    async fn open(
        &mut self,
        seat: usize,
        who: Who,
        topic: Topic,
        from: From,
        narrow: bool,
    ) -> Verdict {
        let before = *self.ears.head.borrow();
        let opened = Subscriber::connect(&self.ears, who, topic, from, narrow).await;
        let refused = match opened {
            Ok(subscriber) => {
                self.seats[seat].subscriber = Some(subscriber);
                None
            }
            Err(Refused(Some(status @ (403 | 404)))) => Some(status),
            Err(Refused(status)) => return Err(format!("refused with {status:?}")),
        };
        match topic {
            Topic::CheckIn(gathering) => self.doors.push(Door {
                who,
                gathering,
                heads: (before, *self.ears.head.borrow()),
                refused,
            }),
            Topic::Dashboard if refused.is_some() => return Err("the dashboard is for all".into()),
            Topic::Dashboard => {}
        }
        Ok(())
    }

    /// Who sits there leaves, unless the connection is over already.
    async fn vacate(&mut self, seat: usize) {
        let seat = &mut self.seats[seat];
        let Some(mut subscriber) = seat.subscriber.take() else {
            return;
        };
        if !self.host.is_down() {
            subscriber.order(Order::Break);
        }
        let visit = subscriber.over().await;
        seat.last = last_place(&visit, self.ears.epoch).or(seat.last);
        self.visits.push(visit);
    }

    fn release(&mut self) {
        for seat in &mut self.seats {
            if let Some(subscriber) = &mut seat.subscriber
                && subscriber.stalled
            {
                subscriber.order(Order::Release);
            }
        }
    }

    async fn answered(&mut self) -> Verdict {
        for sending in std::mem::take(&mut self.sending) {
            sending.await.unwrap()?;
        }
        Ok(())
    }

    /// Waits until everybody has seen everything, or can see no more.
    async fn settle(&mut self) -> Verdict {
        self.answered().await?;
        self.release();
        let book = Book::read(self.host.log());
        let until = Instant::now() + PATIENCE;
        let mark = Seen::Settled { head: book.head() };
        for seat in &self.seats {
            let Some(subscriber) = &seat.subscriber else {
                continue;
            };
            loop {
                if subscriber.is_gone() {
                    break;
                }
                let mut visit = subscriber.visit.lock().unwrap().clone();
                visit.seen.push(mark.clone());
                let Err(wrong) = visit.judge(&book, &mut Told::default()) else {
                    subscriber.visit.lock().unwrap().seen.push(mark.clone());
                    break;
                };
                let stirred = timeout_at(until, self.quiet_again()).await;
                stirred.map_err(|_| format!("{:?} on {:?}: {wrong}", visit.who, visit.topic))?;
            }
        }
        Ok(())
    }

    /// Waits until somebody has seen something more, and then nothing for a moment: who judges after
    /// every message of a long replay judges most of it a thousand times.
    async fn quiet_again(&self) {
        self.ears.stirred.notified().await;
        while timeout(QUIET, self.ears.stirred.notified()).await.is_ok() {}
    }

    fn judge(&mut self, book: &Book) -> Verdict {
        for door in self.doors.drain(..) {
            door.judge(book)?;
        }
        for visit in self.visits.drain(..) {
            let judged = visit.judge(book, &mut self.told);
            judged.map_err(|wrong| {
                format!(
                    "{:?} on {:?} from {:?}: {wrong}",
                    visit.who, visit.topic, visit.from
                )
            })?;
            self.tally.take(&visit);
        }
        self.tally.events = book.head();
        Ok(())
    }
}

impl Door {
    fn judge(&self, book: &Book) -> Verdict {
        let (sure, open) = book.sees_in(self.who, self.gathering, self.heads);
        let wrong = match self.refused {
            Some(_) => sure,
            None => !open,
        };
        if wrong {
            let Self {
                who,
                heads,
                refused,
                ..
            } = self;
            return Err(format!(
                "{who:?} between {heads:?} was answered {refused:?}"
            ));
        }
        Ok(())
    }
}

impl Tally {
    fn take(&mut self, visit: &Visit) {
        self.visits += 1;
        for seen in &visit.seen {
            match seen {
                Seen::Message { text, .. } => {
                    self.messages += 1;
                    self.resets += u64::from(text.starts_with(r#"{"type":"reset""#));
                    self.fell_behind += u64::from(text.starts_with(r#"{"type":"fell_behind""#));
                }
                Seen::Closed { code, .. } => self.shut_out += u64::from(*code == Some(4403)),
                _ => {}
            }
        }
    }
}

/// A read that a dying runtime cuts off is an error to its session, which may still say so (1011). A
/// process that dies says nothing.
fn silence_the_dying(visit: &mut Visit) {
    if let Some(Seen::Closed { code, .. }) = visit.seen.last_mut()
        && *code == Some(1011)
    {
        *code = None;
    }
}

/// Where a client stands after all that it has seen.
fn last_place(visit: &Visit, epoch: Epoch) -> Option<Cursor> {
    visit.seen.iter().rev().find_map(|seen| {
        let Seen::Message { text, .. } = seen else {
            return None;
        };
        let message: serde_json::Value = serde_json::from_str(text).ok()?;
        let told = message["cursor"]
            .as_str()
            .and_then(|cursor| cursor.parse().ok());
        let offset = message["offset"].as_u64();
        told.or(offset.map(|offset| Cursor { epoch, offset }))
    })
}
