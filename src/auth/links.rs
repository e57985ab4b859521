//! Links that sign in: a code that stands in the fragment of an address and is exchanged for the session
//! cookie, since a token is too long to type and must not lie in an address bar. Good once, for a few
//! minutes, unless a superuser asked for more.
//!
//! In memory only, by the code's SHA-256; a restart forgets them all. A code holds a token, so the
//! session is what the token may, for as long as the token is good.

use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use thiserror::Error;

use super::tickets::{SecretHash, hash, random};

/// How long a link is good for when nobody asks for more.
pub const LINK_LIFE: Duration = Duration::from_secs(10 * 60);
/// What a superuser may ask for.
pub const LINK_LIFE_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);
pub const LINK_USES_MAX: u32 = 1_000;
/// Links that wait at one time, in all and from one caller (`sub`).
const LINKS_MAX: usize = 4_096;
const LINKS_PER_CALLER_MAX: usize = 512;

/// Issues links and takes them back. Cheap handle.
#[derive(Clone, Default)]
pub struct Links(Arc<Mutex<HashMap<SecretHash, Held>>>);

/// What a link is to give, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The token that whoever follows the link signs in with.
    pub token: String,
    pub uses: u32,
    pub life: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LinksError {
    #[error("as many of your links wait as one caller may have")]
    TooManyOfYours,
    #[error("as many links wait as there may be")]
    TooMany,
    #[error("the system gives no random numbers")]
    NoRandom,
}

struct Held {
    token: String,
    uses: u32,
    until: Instant,
    /// Who asked for it.
    issuer: Arc<str>,
}

impl Links {
    /// The code of a new link.
    ///
    /// # Errors
    /// See [`LinksError`].
    pub fn issue(
        &self,
        issuer: Arc<str>,
        grant: Grant,
        now: Instant,
    ) -> Result<String, LinksError> {
        let code = BASE64_URL_SAFE_NO_PAD.encode(random().ok_or(LinksError::NoRandom)?);
        let mut waiting = self.0.lock();
        waiting.retain(|_, held| now < held.until);
        let yours = waiting.values().filter(|held| held.issuer == issuer);
        if yours.count() >= LINKS_PER_CALLER_MAX {
            return Err(LinksError::TooManyOfYours);
        }
        if waiting.len() >= LINKS_MAX {
            return Err(LinksError::TooMany);
        }
        let Grant { token, uses, life } = grant;
        let until = now + life.min(LINK_LIFE_MAX);
        let uses = uses.min(LINK_USES_MAX);
        let held = Held {
            token,
            uses,
            until,
            issuer,
        };
        waiting.insert(hash(&code), held);
        Ok(code)
    }

    /// The token of a link, which has one use less from now on. None: it is unknown, was used, or has
    /// expired.
    #[must_use]
    pub fn redeem(&self, code: &str, now: Instant) -> Option<String> {
        let key = hash(code);
        let mut waiting = self.0.lock();
        let held = waiting.get_mut(&key)?;
        if held.uses > 1 && now < held.until {
            held.uses -= 1;
            return Some(held.token.clone());
        }
        let held = waiting.remove(&key)?;
        (held.uses > 0 && now < held.until).then_some(held.token)
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Links")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    fn grant(uses: u32) -> Grant {
        Grant {
            token: "a.b.c".to_owned(),
            uses,
            life: LINK_LIFE,
        }
    }

    #[test]
    fn a_link_is_good_as_often_and_as_long_as_was_asked_for() {
        let (links, now) = (Links::default(), Instant::now());
        let once = links.issue("ann".into(), grant(1), now).unwrap();
        let thrice = links.issue("ann".into(), grant(3), now).unwrap();
        assert_ne!(once, thrice);
        assert!(once.len() >= 22, "128 bits at least");
        for (code, uses) in [(&once, 1), (&thrice, 3)] {
            for _ in 0..uses {
                assert_eq!(links.redeem(code, now).as_deref(), Some("a.b.c"));
            }
            assert_eq!(links.redeem(code, now), None);
        }
        let late = links.issue("ann".into(), grant(3), now).unwrap();
        let last_moment = now + LINK_LIFE - Duration::from_nanos(1);
        assert!(links.redeem(&late, last_moment).is_some());
        assert_eq!(links.redeem(&late, now + LINK_LIFE), None);
        assert_eq!(links.redeem(&late, now), None, "gone once shown too late");
        assert_eq!(links.redeem("", now), None);
        assert!(links.0.lock().is_empty());
    }

    #[test]
    fn nobody_gets_more_than_a_superuser_may_ask_for() {
        let (links, now) = (Links::default(), Instant::now());
        let mut grant = grant(u32::MAX);
        grant.life = Duration::from_secs(u32::MAX.into());
        let code = links.issue("ann".into(), grant, now).unwrap();
        let uses = (0..=LINK_USES_MAX).filter(|_| links.redeem(&code, now).is_some());
        assert_eq!(uses.count(), LINK_USES_MAX as usize);
        let code = links
            .issue("ann".into(), super::tests::grant(2), now)
            .unwrap();
        assert_eq!(links.redeem(&code, now + LINK_LIFE_MAX), None);
    }

    #[test]
    fn of_many_who_follow_a_link_at_once_as_many_get_in_as_it_has_uses() {
        let (links, now) = (Links::default(), Instant::now());
        for uses in [1, 3] {
            let code = links.issue("ann".into(), grant(uses), now).unwrap();
            let start = Barrier::new(8);
            let let_in = std::thread::scope(|scope| {
                let follow = || {
                    start.wait();
                    links.redeem(&code, now).is_some()
                };
                let racers: Vec<_> = (0..8).map(|_| scope.spawn(follow)).collect();
                let outcomes = racers.into_iter().map(|racer| racer.join().unwrap());
                outcomes.filter(|let_in| *let_in).count()
            });
            assert_eq!(let_in, uses as usize);
        }
    }

    #[test]
    fn only_so_many_wait_and_used_and_expired_ones_make_room() {
        let (links, now) = (Links::default(), Instant::now());
        let mut last = String::new();
        for _ in 0..LINKS_PER_CALLER_MAX {
            last = links.issue("ann".into(), grant(1), now).unwrap();
        }
        let full = links.issue("ann".into(), grant(1), now);
        assert_eq!(full, Err(LinksError::TooManyOfYours));
        assert!(links.redeem(&last, now).is_some());
        assert!(links.issue("ann".into(), grant(1), now).is_ok());
        for other in 1..LINKS_MAX / LINKS_PER_CALLER_MAX {
            for _ in 0..LINKS_PER_CALLER_MAX {
                let other = format!("other-{other}").as_str().into();
                links.issue(other, grant(1), now).unwrap();
            }
        }
        let full = links.issue("bob".into(), grant(1), now);
        assert_eq!(full, Err(LinksError::TooMany));
        assert!(links.issue("bob".into(), grant(1), now + LINK_LIFE).is_ok());
        assert_eq!(links.0.lock().len(), 1);
    }
}
