//! The door tokens of one gathering as folds keep them: what each says, and whether it is revoked.
//! The write model and the dashboard keep the same, so it is here once.
//!
//! Bounded: a gathering takes no more tokens than [`DOOR_TOKENS_MAX`], and those that expired long
//! ago make room. Never holds a token itself, nor its name in clear.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    event::{DoorRole, DoorToken, Sealed},
    ids::DoorTokenId,
    time::Timestamp,
};

/// Door tokens of one gathering that have not expired; revoked ones count, since they have to be known
/// for as long as somebody may come with them.
pub const DOOR_TOKENS_MAX: usize = 1_000;
/// A token is kept for so long after it expired: longer than the leeway that clocks are given.
const KEPT_AFTER_EXPIRY_SECONDS: i64 = 60;

/// See the module's text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoorTokens {
    kept: BTreeMap<DoorTokenId, KeptDoorToken>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptDoorToken {
    /// Sealed with the gathering's key.
    pub name: Sealed,
    pub door_role: DoorRole,
    pub expires_at: Timestamp,
    pub minted_by: Arc<str>,
    pub revoked: bool,
}

impl DoorTokens {
    #[must_use]
    pub fn get(&self, jti: DoorTokenId) -> Option<&KeptDoorToken> {
        self.kept.get(&jti)
    }

    /// In the order in which they were minted, after one of them.
    pub fn after(
        &self,
        jti: Option<DoorTokenId>,
    ) -> impl Iterator<Item = (DoorTokenId, &KeptDoorToken)> {
        use std::ops::Bound::{Excluded, Unbounded};
        self.kept
            .range((jti.map_or(Unbounded, Excluded), Unbounded))
            .map(|(jti, kept)| (*jti, kept))
    }

    /// Whether one more may be minted now.
    #[must_use]
    pub fn has_room(&self, now: Timestamp) -> bool {
        self.kept.len() < DOOR_TOKENS_MAX
            || self.kept.values().filter(|it| !it.is_over(now)).count() < DOOR_TOKENS_MAX
    }

    /// Total. `at` is when it was recorded: those that are over by then make room.
    pub fn mint(&mut self, token: &DoorToken, minted_by: &Arc<str>, at: Timestamp) {
        if self.kept.len() >= DOOR_TOKENS_MAX {
            self.kept.retain(|_, kept| !kept.is_over(at));
        }
        let minted = KeptDoorToken {
            name: token.name.clone(),
            door_role: token.door_role,
            expires_at: token.expires_at,
            minted_by: minted_by.clone(),
            revoked: false,
        };
        self.kept.entry(token.jti).or_insert(minted);
    }

    /// Total: revoking one that is not kept changes nothing.
    pub fn revoke(&mut self, jti: DoorTokenId) {
        if let Some(kept) = self.kept.get_mut(&jti) {
            kept.revoked = true;
        }
    }
}

impl KeptDoorToken {
    const fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at.plus_seconds(KEPT_AFTER_EXPIRY_SECONDS).0 < now.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(number: u64, expires_at: Timestamp) -> DoorToken {
        let mut jti = [0; 16];
        jti[8..].copy_from_slice(&number.to_be_bytes());
        DoorToken {
            jti: DoorTokenId::from_bytes(jti),
            name: Sealed(vec![1].into()),
            door_role: DoorRole::Steward,
            expires_at,
        }
    }

    #[test]
    fn what_expired_makes_room_and_what_is_revoked_does_not() {
        let start = Timestamp(0);
        let by: Arc<str> = "ann".into();
        let mut tokens = DoorTokens::default();
        for number in 0..DOOR_TOKENS_MAX as u64 {
            assert!(tokens.has_room(start));
            let life = if number == 7 { 60 } else { 3_600 };
            tokens.mint(&token(number, start.plus_seconds(life)), &by, start);
        }
        let eighth = token(8, start).jti;
        tokens.revoke(eighth);
        assert!(!tokens.has_room(start.plus_seconds(120)));
        let later = start.plus_seconds(121);
        assert!(tokens.has_room(later));
        tokens.mint(&token(5_000, start.plus_seconds(3_600)), &by, later);
        assert!(!tokens.has_room(later));
        assert_eq!(tokens.after(None).count(), DOOR_TOKENS_MAX);
        assert!(tokens.get(token(7, start).jti).is_none());
        assert!(tokens.get(eighth).is_some_and(|it| it.revoked));
    }

    #[test]
    fn a_token_is_minted_once_and_revoked_for_ever() {
        let by: Arc<str> = "ann".into();
        let mut tokens = DoorTokens::default();
        let one = token(1, Timestamp(9));
        tokens.revoke(one.jti);
        assert_eq!(tokens, DoorTokens::default());
        tokens.mint(&one, &by, Timestamp(0));
        tokens.revoke(one.jti);
        tokens.mint(&one, &by, Timestamp(1));
        assert!(tokens.get(one.jti).is_some_and(|it| it.revoked));
        assert_eq!(tokens.after(Some(one.jti)).count(), 0);
    }
}
