//! How the demo's guests behave: when they come, leave, come back, try a copied ticket, scan twice.
//!
//! A plan, not an actor: [`Crowd::next`] says what happens next and when, [`Crowd::learn`] takes what the
//! door answered and plans what follows from it. No clock and no network here; `gates` does both.

use std::{cmp::Reverse, collections::BinaryHeap};

use fastrand::Rng;

/// The doors open this long after a fresh demo starts, in the crowd's time.
pub(crate) const OPENING_MS: u64 = 20_000;

/// The reader of an offline arrival has been without network for this long, in the crowd's time.
pub(crate) const OFFLINE_MS: u64 = 25_000;

/// Most arrivals happen within this time after the opening, for up to 500 guests.
const RUSH_MS: u64 = 150_000;
/// One guest in a hundred of these per cent does the thing.
const EARLY_PERCENT: u8 = 6;
const STRAGGLER_PERCENT: u8 = 12;
const SHORT_BREAK_PERCENT: u8 = 14;
const REPEATED_SCAN_PERCENT: u8 = 4;
const COPIED_TICKET_PERCENT: u8 = 4;
const MISTAKE_PERCENT: u8 = 2;
const OFFLINE_PERCENT: u8 = 2;
const NEVER_BACK_PERCENT: u8 = 10;
/// In the calm after the rush a guest stays this long per guest of the crowd, so that the doors see one
/// person every few seconds whatever its size.
const CALM_STAY_MS_PER_GUEST: u64 = 5_000;
const CALM_AWAY_MS_PER_GUEST: u64 = 2_000;
/// A step that failed is tried again after this long.
const AGAIN_MS: u64 = 2_000;

/// What the crowd does next: `at_ms` after the start of this run, in the crowd's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Step {
    pub(crate) at_ms: u64,
    pub(crate) gate: usize,
    pub(crate) act: Act,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Act {
    Arrive(usize),
    Leave(usize),
    /// The reader's network hiccups and it sends the same scan again, under the same id.
    RepeatScan(usize),
    /// Somebody shows a copy of a ticket that is inside already.
    CopiedTicket(usize),
    /// The steward read the wrong ticket and takes the scan back; the guest comes again.
    TakeBack(usize),
    /// A supervisor lets in whom the rules keep out.
    Override(usize),
    /// Admitted while the reader had no network; the scan reaches the server late.
    OfflineArrival(usize),
    /// A bar code that is no ticket at all.
    UnknownTicket,
    /// A ticket of another gathering.
    ForeignTicket,
}

/// What the door answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Admitted,
    Exited,
    /// With the refusal code.
    Refused(String),
    /// The same scan had been answered before, an undo was taken, or nothing came of it.
    Other,
}

pub(crate) struct Crowd {
    rng: Rng,
    people: u64,
    gates: usize,
    now_ms: u64,
    rush_ms: u64,
    opening_ms: u64,
    plan: BinaryHeap<Reverse<Step>>,
}

impl Crowd {
    /// A fresh evening: everybody is outside and the doors are closed until [`OPENING_MS`].
    pub(crate) fn before_opening(people: usize, gates: usize, rng: Rng) -> Self {
        let mut crowd = Self::empty(people, gates, OPENING_MS, rng);
        for guest in 0..people {
            let at_ms = crowd.first_arrival_ms();
            let act = if crowd.happens(OFFLINE_PERCENT) && at_ms > OPENING_MS + 2 * OFFLINE_MS {
                Act::OfflineArrival(guest)
            } else {
                Act::Arrive(guest)
            };
            crowd.plan_at(at_ms, act);
        }
        crowd.plan_strangers();
        crowd
    }

    /// An evening that was left off: who is inside will leave, who is outside will come.
    pub(crate) fn carry_on(inside: &[bool], gates: usize, rng: Rng) -> Self {
        let mut crowd = Self::empty(inside.len(), gates, 0, rng);
        for (guest, is_inside) in inside.iter().enumerate() {
            let (act, mean_ms) = if *is_inside {
                (Act::Leave(guest), crowd.people * CALM_STAY_MS_PER_GUEST)
            } else {
                (Act::Arrive(guest), crowd.people * CALM_AWAY_MS_PER_GUEST)
            };
            let at_ms = crowd.about(mean_ms);
            crowd.plan_at(at_ms, act);
        }
        crowd.plan_strangers();
        crowd
    }

    /// The next thing that happens; never none, because strangers keep coming.
    pub(crate) fn next(&mut self) -> Option<Step> {
        let Reverse(step) = self.plan.pop()?;
        self.now_ms = step.at_ms;
        Some(step)
    }

    /// Plans what follows from an answer.
    pub(crate) fn learn(&mut self, step: Step, answer: &Answer) {
        match (step.act, answer) {
            (
                Act::Arrive(guest) | Act::Override(guest) | Act::OfflineArrival(guest),
                Answer::Admitted,
            ) => {
                self.after_admission(guest);
            }
            (Act::Leave(guest), Answer::Exited) => self.after_exit(guest),
            (Act::Arrive(guest), Answer::Refused(code)) => self.after_refusal(guest, code),
            (Act::TakeBack(guest), _) => self.plan_in(4_000..12_000, Act::Arrive(guest)),
            (Act::UnknownTicket | Act::ForeignTicket, _) => {
                let mean_ms = if self.in_rush() { 35_000 } else { 150_000 };
                let wait_ms = self.about(mean_ms);
                self.plan_at(self.now_ms + 5_000 + wait_ms, step.act);
            }
            // The guest's own next step has been planned already, or the evening is over for them.
            (
                Act::Arrive(_)
                | Act::Leave(_)
                | Act::RepeatScan(_)
                | Act::CopiedTicket(_)
                | Act::Override(_)
                | Act::OfflineArrival(_),
                _,
            ) => {}
        }
    }

    /// The door could not answer: the same again a little later.
    pub(crate) fn again(&mut self, step: Step) {
        self.plan.push(Reverse(Step {
            at_ms: self.now_ms + AGAIN_MS,
            ..step
        }));
    }

    fn empty(people: usize, gates: usize, opening_ms: u64, rng: Rng) -> Self {
        let people = u64::try_from(people).unwrap_or(u64::MAX).max(1);
        Self {
            rng,
            people,
            gates: gates.max(1),
            now_ms: 0,
            rush_ms: if opening_ms == 0 {
                0
            } else {
                RUSH_MS.max(people * 300)
            },
            opening_ms,
            plan: BinaryHeap::new(),
        }
    }

    /// Early birds stand at the door before it opens; most come soon after; a few are late.
    fn first_arrival_ms(&mut self) -> u64 {
        if self.happens(EARLY_PERCENT) {
            return self.rng.u64(2_000..self.opening_ms);
        }
        let mean_ms = if self.happens(STRAGGLER_PERCENT) {
            self.rush_ms
        } else {
            self.rush_ms / 6
        };
        // Two waits in a row: few at the very start, a peak, a long tail.
        self.opening_ms + self.about(mean_ms) + self.about(mean_ms)
    }

    fn after_admission(&mut self, guest: usize) {
        if self.happens(REPEATED_SCAN_PERCENT) {
            self.plan_in(200..900, Act::RepeatScan(guest));
        }
        if self.happens(MISTAKE_PERCENT) {
            self.plan_in(2_000..5_000, Act::TakeBack(guest));
            return;
        }
        if self.happens(COPIED_TICKET_PERCENT) {
            self.plan_in(1_500..20_000, Act::CopiedTicket(guest));
        }
        if self.happens(SHORT_BREAK_PERCENT) {
            self.plan_in(30_000..90_000, Act::Leave(guest));
        } else {
            let stay_ms = self.about(self.people * CALM_STAY_MS_PER_GUEST);
            self.plan_at(self.now_ms + 30_000 + stay_ms, Act::Leave(guest));
        }
    }

    fn after_exit(&mut self, guest: usize) {
        if self.in_rush() && self.happens(80) {
            self.plan_in(15_000..60_000, Act::Arrive(guest));
        } else {
            // Whoever has had enough still comes back one day: the demo goes on for ever.
            let factor = if self.happens(NEVER_BACK_PERCENT) {
                10
            } else {
                1
            };
            let away_ms = self.about(self.people * CALM_AWAY_MS_PER_GUEST * factor);
            self.plan_at(self.now_ms + 10_000 + away_ms, Act::Arrive(guest));
        }
    }

    fn after_refusal(&mut self, guest: usize, code: &str) {
        match code {
            "not_open_yet" => {
                let patience_ms = self.rng.u64(1_000..15_000);
                self.plan_at(
                    self.opening_ms.max(self.now_ms) + patience_ms,
                    Act::Arrive(guest),
                );
            }
            "capacity_full" => {
                let wait_ms = self.about(self.people * 400);
                self.plan_at(self.now_ms + 25_000 + wait_ms, Act::Arrive(guest));
            }
            "cancelled" => self.plan_in(5_000..12_000, Act::Override(guest)),
            // Inside already, as the server sees it: they leave one day.
            "already_checked_in" => {
                let stay_ms = self.about(self.people * CALM_STAY_MS_PER_GUEST);
                self.plan_at(self.now_ms + stay_ms, Act::Leave(guest));
            }
            _ => {}
        }
    }

    fn plan_strangers(&mut self) {
        let start_ms = self.opening_ms;
        self.plan_at(start_ms + 9_000, Act::UnknownTicket);
        self.plan_at(start_ms + 16_000, Act::ForeignTicket);
    }

    fn plan_in(&mut self, range_ms: std::ops::Range<u64>, act: Act) {
        let wait_ms = self.rng.u64(range_ms);
        self.plan_at(self.now_ms + wait_ms, act);
    }

    fn plan_at(&mut self, at_ms: u64, act: Act) {
        let gate = self.rng.usize(0..self.gates);
        self.plan.push(Reverse(Step { at_ms, gate, act }));
    }

    fn in_rush(&self) -> bool {
        self.now_ms < self.opening_ms + self.rush_ms
    }

    fn happens(&mut self, percent: u8) -> bool {
        self.rng.u8(0..100) < percent
    }

    /// A random wait with this mean (exponential: the next guest does not know of the last), at most
    /// eight times the mean.
    fn about(&mut self, mean_ms: u64) -> u64 {
        const STEPS: u64 = 1 << 16;
        // -ln(u) by halving: how many halvings, then a straight line within the last one.
        let halvings = (0..11).take_while(|_| self.rng.bool()).count() as u64;
        let within = self.rng.u64(0..STEPS);
        (mean_ms.saturating_mul(halvings * STEPS + within) / STEPS).saturating_mul(693) / 1000
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// A door without rules but the opening time and "inside already".
    struct Door {
        inside: Vec<bool>,
        opens_ms: u64,
    }

    impl Door {
        fn answer(&mut self, step: Step) -> Answer {
            match step.act {
                Act::Arrive(_) if step.at_ms < self.opens_ms => {
                    Answer::Refused("not_open_yet".to_owned())
                }
                Act::Arrive(guest) | Act::Override(guest) | Act::OfflineArrival(guest) => {
                    if std::mem::replace(&mut self.inside[guest], true) {
                        Answer::Refused("already_checked_in".to_owned())
                    } else {
                        Answer::Admitted
                    }
                }
                Act::Leave(guest) => {
                    if std::mem::replace(&mut self.inside[guest], false) {
                        Answer::Exited
                    } else {
                        Answer::Refused("not_checked_in".to_owned())
                    }
                }
                Act::TakeBack(guest) => {
                    self.inside[guest] = false;
                    Answer::Other
                }
                Act::RepeatScan(_)
                | Act::CopiedTicket(_)
                | Act::UnknownTicket
                | Act::ForeignTicket => Answer::Other,
            }
        }
    }

    fn play(crowd: &mut Crowd, door: &mut Door, until_ms: u64) -> HashMap<&'static str, usize> {
        let mut seen = HashMap::new();
        let mut last_ms = 0;
        while let Some(step) = crowd.next() {
            assert!(step.at_ms >= last_ms, "the crowd went back in time");
            last_ms = step.at_ms;
            if step.at_ms > until_ms {
                return seen;
            }
            let answer = door.answer(step);
            *seen.entry(name(step.act)).or_default() += 1;
            crowd.learn(step, &answer);
        }
        panic!("the crowd ran out of plans");
    }

    fn name(act: Act) -> &'static str {
        match act {
            Act::Arrive(_) => "arrive",
            Act::Leave(_) => "leave",
            Act::RepeatScan(_) => "repeat",
            Act::CopiedTicket(_) => "copied",
            Act::TakeBack(_) => "take back",
            Act::Override(_) => "override",
            Act::OfflineArrival(_) => "offline",
            Act::UnknownTicket => "unknown",
            Act::ForeignTicket => "foreign",
        }
    }

    #[test]
    fn a_fresh_evening_has_a_rush_with_everything_that_goes_wrong_at_a_door() {
        let mut crowd = Crowd::before_opening(500, 3, Rng::with_seed(7));
        let mut door = Door {
            inside: vec![false; 500],
            opens_ms: OPENING_MS,
        };
        let seen = play(&mut crowd, &mut door, OPENING_MS + RUSH_MS);
        let inside = door.inside.iter().filter(|is_inside| **is_inside).count();
        assert!(
            inside > 350,
            "only {inside} inside after the rush: {seen:?}"
        );
        for kind in [
            "leave",
            "repeat",
            "copied",
            "take back",
            "offline",
            "unknown",
            "foreign",
        ] {
            assert!(
                seen.get(kind).is_some_and(|times| *times > 0),
                "no {kind}: {seen:?}"
            );
        }
    }

    #[test]
    fn after_the_rush_the_doors_see_a_calm_trickle_for_ever() {
        let mut crowd = Crowd::before_opening(500, 3, Rng::with_seed(7));
        let mut door = Door {
            inside: vec![false; 500],
            opens_ms: OPENING_MS,
        };
        let hour_ms = 3_600_000;
        play(&mut crowd, &mut door, hour_ms);
        let later = play(&mut crowd, &mut door, 2 * hour_ms);
        let scans: usize = later.values().sum();
        assert!(
            (300..4_000).contains(&scans),
            "{scans} scans in an hour: {later:?}"
        );
    }

    #[test]
    fn an_evening_that_was_left_off_goes_on_with_who_is_inside() {
        let inside: Vec<bool> = (0..500).map(|guest| guest % 2 == 0).collect();
        let mut crowd = Crowd::carry_on(&inside, 3, Rng::with_seed(7));
        let mut door = Door {
            inside,
            opens_ms: 0,
        };
        let seen = play(&mut crowd, &mut door, 600_000);
        assert!(seen["arrive"] > 10 && seen["leave"] > 10, "{seen:?}");
    }
}
