//! One-time tickets: a browser's WebSocket sends no header, and a token must not stand in a URL. A ticket
//! may: it is good for one connect within [`TICKET_LIFE`], and holds whom it was made for.
//!
//! In memory only, by its SHA-256; a restart forgets them all. A ticket is gone once it has been shown,
//! whatever becomes of the request that showed it. What its token may, and until when, stays the token's.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::Principal;

/// How long a ticket waits for its connect.
pub const TICKET_LIFE: Duration = Duration::from_secs(30);
/// Tickets issued within one life, in all and to one caller (`sub`); used ones count until then, too.
const TICKETS_MAX: usize = 32_768;
const TICKETS_PER_CALLER_MAX: usize = 4_096;
/// What cannot be guessed about a ticket, bytes.
const RANDOM_BYTES: usize = 24;

/// Issues tickets and takes them back. Cheap handle.
#[derive(Clone)]
pub struct Tickets {
    life: Duration,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TicketsError {
    /// The caller was given as many as they may be within one life.
    #[error("you were given as many tickets as one caller may have")]
    TooManyOfYours,
    #[error("as many tickets were given out as there may be")]
    TooMany,
    #[error("the system gives no random numbers")]
    NoRandom,
}

/// What is kept instead of a secret that was handed out.
pub(super) type SecretHash = [u8; 32];

#[derive(Default)]
struct Waiting {
    tickets: HashMap<SecretHash, Held>,
    by_caller: HashMap<Arc<str>, usize>,
    /// In the order of issue, which is that of expiry; some may be taken already.
    order: VecDeque<(Instant, SecretHash, Arc<str>)>,
}

struct Held {
    principal: Principal,
    until: Instant,
}

impl Tickets {
    /// `life`: [`TICKET_LIFE`], unless a test wants to see one expire.
    #[must_use]
    pub fn new(life: Duration) -> Self {
        Self {
            life,
            waiting: Arc::default(),
        }
    }

    #[must_use]
    pub const fn life(&self) -> Duration {
        self.life
    }

    /// # Errors
    /// See [`TicketsError`].
    pub fn issue(&self, principal: Principal, now: Instant) -> Result<String, TicketsError> {
        let ticket = hex::encode(random().ok_or(TicketsError::NoRandom)?);
        let mut waiting = self.waiting.lock();
        waiting.forget_expired(now);
        if waiting.of(&principal.id) >= TICKETS_PER_CALLER_MAX {
            return Err(TicketsError::TooManyOfYours);
        }
        if waiting.order.len() >= TICKETS_MAX {
            return Err(TicketsError::TooMany);
        }
        waiting.put(hash(&ticket), principal, now + self.life);
        Ok(ticket)
    }

    /// Whose ticket it is; from now on nobody's. None: it is unknown, was used, or has expired.
    #[must_use]
    pub fn redeem(&self, ticket: &str, now: Instant) -> Option<Principal> {
        let held = self.waiting.lock().tickets.remove(&hash(ticket))?;
        (now < held.until).then_some(held.principal)
    }
}

impl Default for Tickets {
    fn default() -> Self {
        Self::new(TICKET_LIFE)
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets")
    }
}

impl Waiting {
    fn of(&self, caller: &str) -> usize {
        self.by_caller.get(caller).copied().unwrap_or(0)
    }

    fn put(&mut self, hash: SecretHash, principal: Principal, until: Instant) {
        *self.by_caller.entry(Arc::clone(&principal.id)).or_default() += 1;
        self.order
            .push_back((until, hash, Arc::clone(&principal.id)));
        self.tickets.insert(hash, Held { principal, until });
    }

    fn forget_expired(&mut self, now: Instant) {
        while let Some((until, ..)) = self.order.front()
            && *until <= now
        {
            let Some((_, hash, caller)) = self.order.pop_front() else {
                return;
            };
            self.tickets.remove(&hash);
            // Used ones count until they would have expired: else one caller could fill the place of all.
            if let Some(count) = self.by_caller.get_mut(&caller) {
                *count -= 1;
                if *count == 0 {
                    self.by_caller.remove(&caller);
                }
            }
        }
    }
}

/// What cannot be guessed; none when the system gives no random numbers.
pub(super) fn random() -> Option<[u8; RANDOM_BYTES]> {
    let mut random = [0; RANDOM_BYTES];
    getrandom::fill(&mut random).ok().map(|()| random)
}

pub(super) fn hash(secret: &str) -> SecretHash {
    Sha256::digest(secret.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;
    use crate::events::time::Timestamp;

    fn caller(sub: &str) -> Principal {
        Principal {
            id: sub.into(),
            name: None,
            superuser: false,
            creator: false,
            auditor: false,
            door: None,
            expires_at: Timestamp(0),
            jti: None,
        }
    }

    #[test]
    fn a_ticket_is_good_once_and_only_for_a_while() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        let used = tickets.issue(caller("ann"), now).unwrap();
        assert_eq!(used.len(), 2 * RANDOM_BYTES);
        assert_eq!(tickets.redeem(&used, now), Some(caller("ann")));
        assert_eq!(tickets.redeem(&used, now), None);
        assert_eq!(tickets.redeem("", now), None);
        let late = tickets.issue(caller("ann"), now).unwrap();
        assert_ne!(late, used);
        assert_eq!(tickets.redeem(&late, now + TICKET_LIFE), None);
        assert_eq!(tickets.redeem(&late, now), None, "shown once is gone");
        let in_time = tickets.issue(caller("ann"), now).unwrap();
        let last_moment = now + TICKET_LIFE - Duration::from_nanos(1);
        assert!(tickets.redeem(&in_time, last_moment).is_some());
    }

    #[test]
    fn of_many_who_show_the_same_ticket_at_once_one_is_let_in() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        for _ in 0..50 {
            let ticket = tickets.issue(caller("ann"), now).unwrap();
            let start = Barrier::new(4);
            let let_in = std::thread::scope(|scope| {
                let racers: Vec<_> = (0..4)
                    .map(|_| {
                        scope.spawn(|| {
                            start.wait();
                            tickets.redeem(&ticket, now).is_some()
                        })
                    })
                    .collect();
                let outcomes = racers.into_iter().map(|racer| racer.join().unwrap());
                outcomes.filter(|let_in| *let_in).count()
            });
            assert_eq!(let_in, 1);
        }
    }

    #[test]
    fn only_so_many_are_given_out_and_expired_ones_make_room() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        let mut last = String::new();
        for _ in 0..TICKETS_PER_CALLER_MAX {
            last = tickets.issue(caller("ann"), now).unwrap();
        }
        let full = tickets.issue(caller("ann"), now);
        assert_eq!(full, Err(TicketsError::TooManyOfYours));
        assert!(tickets.redeem(&last, now).is_some());
        // Else one caller who uses what they get could fill the places of all.
        let used = tickets.issue(caller("ann"), now);
        assert_eq!(used, Err(TicketsError::TooManyOfYours));
        for other in 1..TICKETS_MAX / TICKETS_PER_CALLER_MAX {
            let sub = format!("other-{other}");
            for _ in 0..TICKETS_PER_CALLER_MAX - 1 {
                tickets.issue(caller(&sub), now).unwrap();
            }
        }
        while tickets.issue(caller("bob"), now).is_ok() {}
        let full = tickets.issue(caller("bob"), now);
        assert_eq!(full, Err(TicketsError::TooMany));
        let later = now + TICKET_LIFE;
        assert!(tickets.issue(caller("ann"), later).is_ok());
        let waiting = tickets.waiting.lock();
        assert_eq!((waiting.order.len(), waiting.tickets.len()), (1, 1));
        assert_eq!(waiting.by_caller.len(), 1);
    }
}
