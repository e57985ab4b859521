//! Tokens: what they say, how they are verified and made.
//!
//! A token is verified once and then remembered by its SHA-256 until it expires.

use std::{collections::HashMap, sync::Arc};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{AuthError, Principal, SUBJECT_CHARS_MAX};
use crate::events::{event::DoorRole, ids::GatheringId, time::Timestamp};

/// Clocks of issuer and server may differ by this much, seconds.
pub const LEEWAY_SECONDS: i64 = 5;
/// Longest token, bytes.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// Longest `name` and `jti`, characters.
const NAME_CHARS_MAX: usize = 200;
/// Most verified tokens that are remembered.
const REMEMBERED_TOKENS_MAX: usize = 16_384;

/// What a token says: the claims of contract §2.
#[derive(Clone, Serialize, Deserialize)]
pub struct Claims {
    pub sub: String,
    /// Seconds since 1970.
    pub exp: serde_json::Number,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<serde_json::Number>,
    /// `superuser`, `creator`, `auditor`; unknown ones mean nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// One audience or a list of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<serde_json::Value>,
    /// With `door_role`: a door token for this gathering.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<GatheringId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub door_role: Option<DoorRole>,
}

/// Verifies tokens; remembers verified ones until they expire. Cheap handle.
#[derive(Clone)]
pub struct Authenticator {
    shared: Arc<Shared>,
}

struct Shared {
    keys: Vec<VerifyingKey>,
    signing: EncodingKey,
    audience: Option<String>,
    issuer: Option<String>,
    remembered: RwLock<HashMap<[u8; 32], Principal>>,
}

/// One key with the one algorithm it is for, so that a token never chooses how it is checked.
struct VerifyingKey {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl Authenticator {
    /// `secret`: HS256, at least [`super::SECRET_BYTES_MIN`] bytes (the configuration checks that).
    #[must_use]
    pub fn hs256(secret: &[u8]) -> Self {
        Self::hs256_for(secret, None, None)
    }

    /// Asks every token for this audience and issuer, where one is given.
    #[must_use]
    pub fn hs256_for(secret: &[u8], audience: Option<String>, issuer: Option<String>) -> Self {
        Self {
            shared: Arc::new(Shared {
                keys: vec![VerifyingKey {
                    algorithm: Algorithm::HS256,
                    key: DecodingKey::from_secret(secret),
                }],
                signing: EncodingKey::from_secret(secret),
                audience,
                issuer,
                remembered: RwLock::new(HashMap::new()),
            }),
        }
    }

    /// # Errors
    /// [`AuthError::Expired`] after `exp`, [`AuthError::Invalid`] for everything else that is wrong.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Principal, AuthError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(invalid("it is too long"));
        }
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(principal) = self.shared.remembered.read().get(&digest) {
            return if expired(principal.expires_at, now) {
                Err(AuthError::Expired)
            } else {
                Ok(principal.clone())
            };
        }
        let principal = principal_of(self.shared.claims_of(token)?, now)?;
        self.shared.remember(digest, &principal, now);
        Ok(principal)
    }

    /// Signs a token that passes here: with the audience and issuer that are asked for. Equal claims
    /// give equal tokens.
    ///
    /// # Errors
    /// When the claims cannot be written as JSON.
    pub fn sign(&self, mut claims: Claims) -> Result<String, AuthError> {
        claims.aud = self.shared.audience.clone().map(Into::into);
        claims.iss = self.shared.issuer.clone();
        signed(&self.shared.signing, &claims)
    }
}

/// Signs a token with an HS256 secret.
///
/// # Errors
/// When the claims cannot be written as JSON.
pub fn mint(secret: &[u8], claims: &Claims) -> Result<String, AuthError> {
    signed(&EncodingKey::from_secret(secret), claims)
}

fn signed(key: &EncodingKey, claims: &Claims) -> Result<String, AuthError> {
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, key)
        .map_err(|error| AuthError::Invalid(error.to_string()))
}

impl Claims {
    /// A token for `sub` that expires at `expires_at` and may nothing yet.
    #[must_use]
    pub fn new(sub: impl Into<String>, expires_at: Timestamp) -> Self {
        Self {
            sub: sub.into(),
            exp: expires_at.0.div_euclid(1_000_000).into(),
            nbf: None,
            roles: Vec::new(),
            name: None,
            jti: None,
            iss: None,
            aud: None,
            event_id: None,
            door_role: None,
        }
    }
}

impl Shared {
    fn claims_of(&self, token: &str) -> Result<Claims, AuthError> {
        let algorithm = jsonwebtoken::decode_header(token)
            .map_err(|_| invalid("it is not a JWT"))?
            .alg;
        let verifying = self
            .keys
            .iter()
            .find(|key| key.algorithm == algorithm)
            .ok_or_else(|| invalid("its algorithm is not accepted here"))?;
        jsonwebtoken::decode::<Claims>(token, &verifying.key, &self.validation(algorithm))
            .map(|data| data.claims)
            .map_err(|error| AuthError::Invalid(reason(error.kind())))
    }

    /// Times are not checked here but in [`principal_of`], against the caller's `now`.
    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = self.audience.is_some();
        validation.required_spec_claims.clear();
        if let Some(audience) = &self.audience {
            validation.set_audience(&[audience]);
            validation.required_spec_claims.insert("aud".to_owned());
        }
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        validation
    }

    fn remember(&self, digest: [u8; 32], principal: &Principal, now: Timestamp) {
        let mut remembered = self.remembered.write();
        if remembered.len() >= REMEMBERED_TOKENS_MAX {
            remembered.retain(|_, known| !expired(known.expires_at, now));
        }
        if remembered.len() >= REMEMBERED_TOKENS_MAX {
            // Forgetting costs one signature check each; an order of use would cost every request.
            remembered.clear();
        }
        remembered.insert(digest, principal.clone());
    }
}

fn principal_of(claims: Claims, now: Timestamp) -> Result<Principal, AuthError> {
    let expires_at = moment(&claims.exp);
    if expired(expires_at, now) {
        return Err(AuthError::Expired);
    }
    if let Some(not_before) = claims.nbf.as_ref().map(moment)
        && now.plus_seconds(LEEWAY_SECONDS) < not_before
    {
        return Err(invalid("it is not valid yet (`nbf`)"));
    }
    if claims.sub.is_empty() {
        return Err(invalid("`sub` is empty"));
    }
    check_text("sub", &claims.sub, SUBJECT_CHARS_MAX)?;
    for (claim, text) in [("name", &claims.name), ("jti", &claims.jti)] {
        check_text(claim, text.as_deref().unwrap_or_default(), NAME_CHARS_MAX)?;
    }
    let door = match (claims.event_id, claims.door_role) {
        (Some(gathering), Some(role)) => Some((gathering, role)),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            return Err(invalid("`event_id` and `door_role` go together"));
        }
    };
    // A door token is good for its gathering alone: roles beside it would reach further.
    let has = |role: &str| door.is_none() && claims.roles.iter().any(|held| held == role);
    Ok(Principal {
        superuser: has("superuser"),
        creator: has("creator"),
        auditor: has("auditor"),
        id: claims.sub.into(),
        name: claims.name.filter(|name| !name.is_empty()).map(Into::into),
        door,
        expires_at,
        jti: claims.jti.map(Into::into),
    })
}

/// Seconds since 1970, with a fraction or without, as µs.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a float cast saturates, which is the meaning of a time beyond all times"
)]
fn moment(seconds: &serde_json::Number) -> Timestamp {
    seconds.as_i64().map_or_else(
        || Timestamp((seconds.as_f64().unwrap_or(f64::MAX) * 1e6) as i64),
        |whole| Timestamp(0).plus_seconds(whole),
    )
}

const fn expired(expires_at: Timestamp, now: Timestamp) -> bool {
    now.0 > expires_at.plus_seconds(LEEWAY_SECONDS).0
}

fn check_text(claim: &str, text: &str, chars_max: usize) -> Result<(), AuthError> {
    if text.chars().count() > chars_max || text.chars().any(char::is_control) {
        return Err(invalid(&format!(
            "`{claim}` must be at most {chars_max} characters without control characters"
        )));
    }
    Ok(())
}

fn invalid(reason: &str) -> AuthError {
    AuthError::Invalid(reason.to_owned())
}

/// What is wrong, without a byte of the token.
fn reason(kind: &jsonwebtoken::errors::ErrorKind) -> String {
    use jsonwebtoken::errors::ErrorKind;
    match kind {
        ErrorKind::InvalidSignature => "the signature does not match".to_owned(),
        ErrorKind::InvalidAudience => "`aud` is not this server".to_owned(),
        ErrorKind::InvalidIssuer => "`iss` is not accepted here".to_owned(),
        ErrorKind::MissingRequiredClaim(claim) => format!("`{claim}` is missing"),
        ErrorKind::Json(_) => {
            "its claims are not as expected: `sub` text, `exp` a number, `roles` a list".to_owned()
        }
        _ => "it cannot be read".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Action, Standing},
        *,
    };

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
    const NOW: Timestamp = Timestamp(1_777_658_400_000_000);

    fn claims() -> Claims {
        Claims::new("ann", NOW.plus_seconds(60))
    }

    fn verify(claims: &Claims) -> Result<Principal, AuthError> {
        Authenticator::hs256(SECRET).verify(&mint(SECRET, claims).unwrap(), NOW)
    }

    fn raw(claims: &serde_json::Value, algorithm: Algorithm) -> String {
        let key = EncodingKey::from_secret(SECRET);
        jsonwebtoken::encode(&Header::new(algorithm), claims, &key).unwrap()
    }

    #[test]
    fn a_good_token_names_its_caller_and_roles() {
        let mut good = claims();
        good.roles = vec!["creator".into(), "wizard".into()];
        good.name = Some("Ann".into());
        let principal = verify(&good).unwrap();
        assert_eq!(&*principal.id, "ann");
        assert!(principal.creator && !principal.superuser && !principal.auditor);
        assert_eq!(principal.name.as_deref(), Some("Ann"));
    }

    #[test]
    fn an_expired_token_is_refused_also_when_it_is_remembered() {
        let authenticator = Authenticator::hs256(SECRET);
        let token = mint(SECRET, &claims()).unwrap();
        assert!(authenticator.verify(&token, NOW).is_ok());
        assert!(
            authenticator.verify(&token, NOW.plus_seconds(65)).is_ok(),
            "leeway"
        );
        let late = authenticator.verify(&token, NOW.plus_seconds(66));
        assert_eq!(late, Err(AuthError::Expired));
        assert_eq!(
            Authenticator::hs256(SECRET).verify(&token, NOW.plus_seconds(66)),
            Err(AuthError::Expired)
        );
    }

    #[test]
    fn a_token_with_something_wrong_is_refused() {
        let authenticator = Authenticator::hs256(SECRET);
        let exp = NOW.plus_seconds(60).0 / 1_000_000;
        for wrong in [
            serde_json::json!({"sub": "ann"}),
            serde_json::json!({"exp": exp}),
            serde_json::json!({"sub": "ann", "exp": exp.to_string()}),
            serde_json::json!({"sub": "ann", "exp": exp, "nbf": "0"}),
            serde_json::json!({"sub": "ann", "exp": exp, "nbf": exp}),
            serde_json::json!({"sub": "", "exp": exp}),
            serde_json::json!({"sub": "a\nb", "exp": exp}),
            serde_json::json!({"sub": "a".repeat(129), "exp": exp}),
            serde_json::json!({"sub": "ann", "exp": exp, "door_role": "steward"}),
            serde_json::json!({"sub": "ann", "exp": exp, "door_role": "boss", "event_id": GatheringId::generate()}),
        ] {
            let verdict = authenticator.verify(&raw(&wrong, Algorithm::HS256), NOW);
            assert!(
                matches!(verdict, Err(AuthError::Invalid(_))),
                "{wrong} {verdict:?}"
            );
        }
        let good = serde_json::json!({"sub": "ann", "exp": exp});
        let other_algorithm = authenticator.verify(&raw(&good, Algorithm::HS512), NOW);
        assert!(matches!(other_algorithm, Err(AuthError::Invalid(_))));
        let other_secret = Authenticator::hs256(b"another secret of at least 32 bytes");
        let token = raw(&good, Algorithm::HS256);
        assert!(other_secret.verify(&token, NOW).is_err());
        assert!(authenticator.verify(&token, NOW).is_ok());
        assert!(authenticator.verify("", NOW).is_err());
        assert!(authenticator.verify("a.b.c", NOW).is_err());
    }

    #[test]
    fn audience_and_issuer_are_asked_for_when_configured() {
        let picky = Authenticator::hs256_for(SECRET, Some("door".into()), Some("idp".into()));
        let mut token = claims();
        assert!(picky.verify(&mint(SECRET, &token).unwrap(), NOW).is_err());
        token.aud = Some(serde_json::json!(["door", "other"]));
        assert!(picky.verify(&mint(SECRET, &token).unwrap(), NOW).is_err());
        token.iss = Some("idp".into());
        assert!(picky.verify(&mint(SECRET, &token).unwrap(), NOW).is_ok());
        assert!(verify(&token).is_ok(), "not configured: not looked at");
    }

    #[test]
    fn what_is_signed_here_passes_here() {
        let picky = Authenticator::hs256_for(SECRET, Some("door".into()), Some("idp".into()));
        let token = picky.sign(claims()).unwrap();
        assert_eq!(&*picky.verify(&token, NOW).unwrap().id, "ann");
        assert_eq!(picky.sign(claims()).unwrap(), token);
    }

    #[test]
    fn a_door_token_is_good_for_its_gathering_alone_whatever_its_roles() {
        let (own, other) = (GatheringId::generate(), GatheringId::generate());
        let mut door = claims();
        door.event_id = Some(own);
        door.door_role = Some(DoorRole::Steward);
        door.roles = vec!["superuser".into(), "creator".into()];
        let principal = verify(&door).unwrap();
        assert!(!principal.may_create_gatherings());
        assert_eq!(principal.standing(own, true, None), Standing::Steward);
        assert_eq!(principal.standing(other, true, None), Standing::Stranger);
    }

    #[test]
    fn an_auditor_at_a_door_may_scan_and_read_history() {
        let mut both = claims();
        both.roles = vec!["auditor".into()];
        let principal = verify(&both).unwrap();
        let gathering = GatheringId::generate();
        let standing = principal.standing(gathering, false, Some(DoorRole::Steward));
        assert_eq!(standing, Standing::Steward);
        assert!(principal.may(standing, Action::Scan));
        assert!(principal.may(standing, Action::ReadHistory));
        assert!(!principal.may(standing, Action::Override));
        let elsewhere = principal.standing(gathering, false, None);
        assert_eq!(elsewhere, Standing::Auditor);
    }
}
