//! What is to happen, all of it decided by one seed: the same seed, the same plan. How its actions
//! interleave in the server is up to the scheduler.

use fastrand::Rng;

use super::subscriber::Order;

pub(super) const SEATS: usize = 10;
/// Gatherings that are there from the start.
pub(super) const GATHERINGS: usize = 3;
pub(super) const MEMBERS: [&str; 3] = ["stu", "sue", "max"];
pub(super) const CREATORS: [&str; 2] = ["ann", "ben"];
const VIEWS: [&str; 3] = ["participants", "dashboard", "history"];
const GATES: [Option<&str>; 3] = [None, Some("North"), Some("Süd")];
/// Actions in one life of the server.
const ACTIONS: std::ops::Range<usize> = 12..40;
const LIVES: std::ops::Range<usize> = 2..5;
/// People who come at once: more than the kernel takes ahead of a reader that does not read, and a few
/// pages of the log. Now and then more than the tail holds.
const FLOOD: std::ops::Range<usize> = 1_600..2_600;
const GREAT_FLOOD_MORE: usize = 3_500;
const ORDEAL_EVERY_LIVES: u8 = 8;
const GREAT_EVERY_FLOODS: u8 = 6;

/// Numbers are taken modulo what there is.
#[derive(Debug)]
pub(super) enum Action {
    /// These commands, one after the other, beside whatever else goes on.
    Send(Vec<Errand>),
    CreateGathering,
    Open {
        seat: usize,
        who: usize,
        topic: usize,
        start: Start,
        narrow: bool,
    },
    Tell {
        seat: usize,
        order: Order,
    },
    Resume {
        seat: usize,
        start: Start,
    },
    Rebuild(&'static str),
    /// Waits until all that was sent is answered and the rebuilds are over.
    Await,
    /// Waits until everybody has seen everything.
    Settle,
}

/// How one life of the server ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    Stop,
    Die,
    /// Another log takes the old one's place, with this many percent of its events.
    Replace(u64),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Start {
    Nowhere,
    Earliest,
    Latest,
    /// Where the one who sat here before had come to.
    Own,
    /// The place of any message that anybody was ever sent.
    Known(usize),
    /// This many percent of the way to the head.
    Offset(u64),
    /// So far beyond the head.
    Ahead(u64),
    AheadCursor(u64),
    Foreign,
}

#[derive(Debug)]
pub(super) enum Errand {
    Register {
        gathering: usize,
        code: String,
    },
    CheckIn {
        code: String,
        gate: Option<&'static str>,
    },
    CheckOut {
        code: String,
        gate: Option<&'static str>,
    },
    Scan {
        gathering: usize,
        code: String,
        out: bool,
        offline: bool,
        id: String,
    },
    Undo {
        code: String,
    },
    Cancel {
        code: String,
    },
    /// No role: off the team.
    Team {
        gathering: usize,
        member: &'static str,
        role: Option<&'static str>,
    },
    Change {
        gathering: usize,
        capacity: u32,
    },
    Import {
        gathering: usize,
        codes: Vec<String>,
    },
}

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) lives: Vec<(Vec<Action>, End)>,
}

struct Maker {
    rng: Rng,
    codes: Vec<String>,
    serial: usize,
}

impl Plan {
    pub(super) fn of(seed: u64) -> Self {
        let mut maker = Maker {
            rng: Rng::with_seed(seed),
            codes: Vec::new(),
            serial: 0,
        };
        let lives = 0..maker.rng.usize(LIVES);
        Self {
            lives: lives.map(|_| maker.life()).collect(),
        }
    }
}

impl Maker {
    fn life(&mut self) -> (Vec<Action>, End) {
        let mut actions = Vec::new();
        for _ in 0..self.rng.usize(ACTIONS) {
            let action = self.action();
            actions.push(action);
        }
        if self.rng.u8(..ORDEAL_EVERY_LIVES) == 0 {
            let at = self.rng.usize(..=actions.len());
            let ordeal = self.ordeal();
            actions.splice(at..at, ordeal);
        }
        let end = match self.rng.u8(..10) {
            0..=4 => End::Stop,
            5..=7 => End::Die,
            8 => End::Replace(100),
            _ => End::Replace(self.rng.u64(10..100)),
        };
        if self.rng.bool() {
            actions.push(Action::Settle);
        }
        (actions, end)
    }

    fn action(&mut self) -> Action {
        let seat = self.rng.usize(..SEATS);
        match self.rng.u8(..100) {
            0..=29 => self.errands(),
            30..=66 => Action::Open {
                seat,
                who: self.rng.usize(..1_000),
                topic: self.rng.usize(..1_000),
                start: self.start(),
                narrow: self.rng.u8(..4) == 0,
            },
            67..=72 => Action::Resume {
                seat,
                start: self.start(),
            },
            73..=86 => Action::Tell {
                seat,
                order: self.order(),
            },
            87..=92 => Action::Rebuild(self.pick(&VIEWS)),
            93 => Action::CreateGathering,
            94 => self.small_flood(),
            _ => Action::Settle,
        }
    }

    fn order(&mut self) -> Order {
        match self.rng.u8(..10) {
            0..=2 => Order::Stall,
            3 | 4 => Order::Release,
            5 => Order::Close,
            6 | 7 => Order::Break,
            8 => Order::Ask("get_participants"),
            _ => Order::Ask("ping"),
        }
    }

    fn start(&mut self) -> Start {
        match self.rng.u8(..20) {
            0..=3 => Start::Nowhere,
            4 | 5 => Start::Earliest,
            6 | 7 => Start::Latest,
            8..=11 => Start::Own,
            12..=15 => Start::Known(self.rng.usize(..)),
            16 | 17 => Start::Offset(self.rng.u64(..=100)),
            18 if self.rng.bool() => Start::Ahead(self.rng.u64(1..4)),
            18 => Start::AheadCursor(self.rng.u64(1..2_000)),
            _ => Start::Foreign,
        }
    }

    fn errands(&mut self) -> Action {
        let count = self.rng.usize(1..25);
        Action::Send((0..count).map(|_| self.errand()).collect())
    }

    fn small_flood(&mut self) -> Action {
        let (gathering, people) = (self.rng.usize(..1_000), self.rng.usize(100..400));
        self.flood(gathering, people)
    }

    fn flood(&mut self, gathering: usize, people: usize) -> Action {
        Action::Send(vec![Errand::Import {
            gathering,
            codes: (0..people).map(|_| self.new_code()).collect(),
        }])
    }

    /// Readers who read nothing while more comes than is kept for them in memory, so that they fall
    /// behind it; a rebuild keeps less than there was before.
    fn ordeal(&mut self) -> Vec<Action> {
        let seats = [0; 3].map(|_| self.rng.usize(..SEATS));
        let topic = self.rng.usize(..1_000);
        let mut people = self.rng.usize(FLOOD);
        if self.rng.u8(..GREAT_EVERY_FLOODS) == 0 {
            people += GREAT_FLOOD_MORE;
        }
        let mut actions = Vec::new();
        for (number, seat) in seats.into_iter().enumerate() {
            actions.push(Action::Open {
                seat,
                who: number,
                topic: if self.rng.u8(..3) == 0 { 0 } else { topic },
                start: self.start(),
                narrow: true,
            });
            let order = Order::Stall;
            actions.push(Action::Tell { seat, order });
        }
        actions.push(self.flood(topic, people));
        actions.push(Action::Await);
        actions.extend([VIEWS[0], VIEWS[1]].map(Action::Rebuild));
        actions.push(Action::Await);
        actions.push(self.errands());
        for seat in seats {
            let order = Order::Release;
            actions.push(Action::Tell { seat, order });
        }
        actions.push(self.errands());
        actions
    }

    fn errand(&mut self) -> Errand {
        let gathering = self.rng.usize(..1_000);
        let gate = self.pick(&GATES);
        match self.rng.u8(..40) {
            0..=9 => Errand::Register {
                gathering,
                code: self.new_code(),
            },
            10..=18 => Errand::CheckIn {
                code: self.code(),
                gate,
            },
            19..=23 => Errand::CheckOut {
                code: self.code(),
                gate,
            },
            24..=28 => Errand::Scan {
                gathering,
                code: self.code(),
                out: self.rng.bool(),
                offline: self.rng.u8(..3) == 0,
                id: self.new_code(),
            },
            29..=31 => Errand::Undo { code: self.code() },
            32 => Errand::Cancel { code: self.code() },
            33..=37 => Errand::Team {
                gathering,
                member: self.pick(&MEMBERS),
                role: self.pick(&[
                    None,
                    None,
                    Some("steward"),
                    Some("supervisor"),
                    Some("steward"),
                ]),
            },
            _ => Errand::Change {
                gathering,
                capacity: self.rng.u32(1..50),
            },
        }
    }

    fn new_code(&mut self) -> String {
        self.serial += 1;
        let code = format!("K{}", self.serial);
        self.codes.push(code.clone());
        code
    }

    /// Mostly one of the last ones, so that people come more than once.
    fn code(&mut self) -> String {
        let (known, recent) = (self.codes.len(), self.rng.usize(..30));
        if known == 0 {
            return "K1".to_owned();
        }
        let at = if self.rng.bool() {
            known.saturating_sub(1 + recent)
        } else {
            self.rng.usize(..known)
        };
        self.codes[at].clone()
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.usize(..from.len())]
    }
}
