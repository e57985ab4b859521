//! Signed notes (c2sp.org/signed-note) with Ed25519 keys, and the text forms of such keys that Go's
//! `golang.org/x/mod/sumdb/note` made common. Knows nothing of what a note says.

use std::{fmt, str::FromStr};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

/// The type of Ed25519 keys and signatures.
const ED25519: u8 = 1;
/// A note with more signatures is not read.
const SIGNATURES_MAX: usize = 100;
/// Begins a signature line: an em dash and a space.
const SIGNATURE: &str = "— ";

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoteError {
    #[error("it is not a signed note: a text, an empty line, and signatures")]
    Malformed,
    #[error("it is not signed by the key {0}")]
    NotSigned(String),
    #[error("the signature of {0} is not good: the text or the signature has been changed")]
    BadSignature(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyTextError {
    #[error("it is not a verifier key such as NAME+1a2b3c4d+BASE64")]
    Verifier,
    /// Says nothing of what was read.
    #[error("it is not a signing key of the form PRIVATE+KEY+NAME+1a2b3c4d+BASE64")]
    Signing,
}

/// Checks the signatures of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: u32,
    key: VerifyingKey,
}

/// Signs notes. Wiped when dropped, never shown.
pub struct NoteKey {
    verifier: VerifierKey,
    key: SigningKey,
}

impl NoteKey {
    #[must_use]
    pub fn new(name: &str, seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let verifier = VerifierKey::new(name, key.verifying_key());
        Self { verifier, key }
    }

    /// Reads [`Self::text`].
    ///
    /// # Errors
    /// When it is no such text.
    pub fn parse(text: &str) -> Result<Self, KeyTextError> {
        let wrong = KeyTextError::Signing;
        let rest = text
            .trim()
            .strip_prefix("PRIVATE+KEY+")
            .ok_or(wrong.clone())?;
        let (name, id, bytes) = parts(rest).ok_or(wrong.clone())?;
        let bytes = Zeroizing::new(bytes);
        let seed = Zeroizing::new(*bytes.first_chunk::<32>().ok_or(wrong.clone())?);
        let key = Self::new(name, &seed);
        (bytes.len() == 32 && key.verifier.id == id)
            .then_some(key)
            .ok_or(wrong)
    }

    /// The private key as text. Keep it secret.
    #[must_use]
    pub fn text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([ED25519; 33]);
        bytes[1..].copy_from_slice(self.key.as_bytes());
        let VerifierKey { name, id, .. } = &self.verifier;
        let key = Zeroizing::new(BASE64_STANDARD.encode(bytes.as_ref()));
        Zeroizing::new(format!("PRIVATE+KEY+{name}+{id:08x}+{}", *key))
    }

    #[must_use]
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The note: `text`, which ends in a line break, and the signature.
    #[must_use]
    pub fn sign(&self, text: &str) -> String {
        debug_assert!(
            text.ends_with('\n'),
            "a note's text ends with its last line"
        );
        let VerifierKey { name, id, .. } = &self.verifier;
        let mut bytes = id.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.key.sign(text.as_bytes()).to_bytes());
        let signature = BASE64_STANDARD.encode(bytes);
        format!("{text}\n{SIGNATURE}{name} {signature}\n")
    }
}

impl fmt::Debug for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NoteKey").field(&self.verifier.name).finish()
    }
}

impl VerifierKey {
    fn new(name: &str, key: VerifyingKey) -> Self {
        let hashed = Sha256::new_with_prefix(name)
            .chain_update([b'\n', ED25519])
            .chain_update(key.as_bytes())
            .finalize();
        Self {
            name: name.to_owned(),
            id: u32::from_be_bytes([hashed[0], hashed[1], hashed[2], hashed[3]]),
            key,
        }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text of a note that this key has signed.
    ///
    /// # Errors
    /// When it has not, or the note is none. Other keys' signatures are passed over.
    pub fn open<'n>(&self, note: &'n str) -> Result<&'n str, NoteError> {
        let (text, signatures) = signatures(note)?;
        let mut signed = false;
        for (name, bytes) in signatures {
            let Some((id, signature)) = bytes.split_first_chunk() else {
                return Err(NoteError::Malformed);
            };
            if name != self.name || u32::from_be_bytes(*id) != self.id {
                continue;
            }
            Signature::from_slice(signature)
                .and_then(|signature| self.key.verify_strict(text.as_bytes(), &signature))
                .map_err(|_| NoteError::BadSignature(name.to_owned()))?;
            signed = true;
        }
        signed
            .then_some(text)
            .ok_or_else(|| NoteError::NotSigned(self.to_string()))
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [ED25519; 33];
        bytes[1..].copy_from_slice(self.key.as_bytes());
        let key = BASE64_STANDARD.encode(bytes);
        write!(f, "{}+{:08x}+{key}", self.name, self.id)
    }
}

impl FromStr for VerifierKey {
    type Err = KeyTextError;

    fn from_str(text: &str) -> Result<Self, KeyTextError> {
        let wrong = KeyTextError::Verifier;
        let (name, id, bytes) = parts(text.trim()).ok_or(wrong.clone())?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| wrong.clone())?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| wrong.clone())?;
        let key = Self::new(name, key);
        (key.id == id).then_some(key).ok_or(wrong)
    }
}

/// Name, id and key of `NAME+ID+BASE64` with an Ed25519 key. The base64 may hold a plus, too.
fn parts(text: &str) -> Option<(&str, u32, Vec<u8>)> {
    let (name, rest) = text.split_once('+')?;
    let (id, key) = rest.split_once('+')?;
    if !is_name(name) || id.len() != 8 {
        return None;
    }
    let id = u32::from_str_radix(id, 16).ok()?;
    let mut bytes = BASE64_STANDARD.decode(key).ok()?;
    if bytes.first() != Some(&ED25519) {
        return None;
    }
    bytes.remove(0);
    Some((name, id, bytes))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|char: char| char.is_whitespace() || char == '+')
}

type Signatures<'n> = Vec<(&'n str, Vec<u8>)>;

fn signatures(note: &str) -> Result<(&str, Signatures<'_>), NoteError> {
    let malformed = NoteError::Malformed;
    if note.contains(|char: char| char < ' ' && char != '\n') {
        return Err(malformed);
    }
    let at = note.rfind("\n\n").ok_or(malformed.clone())?;
    let (text, lines) = (&note[..=at], &note[at + 2..]);
    let lines = lines.strip_suffix('\n').ok_or(malformed.clone())?;
    let signatures: Signatures<'_> = lines
        .split('\n')
        .take(SIGNATURES_MAX + 1)
        .map(|line| {
            let (name, bytes) = line.strip_prefix(SIGNATURE)?.split_once(' ')?;
            let bytes = BASE64_STANDARD.decode(bytes).ok()?;
            is_name(name).then_some((name, bytes))
        })
        .collect::<Option<_>>()
        .ok_or(malformed.clone())?;
    if signatures.len() > SIGNATURES_MAX {
        return Err(malformed);
    }
    Ok((text, signatures))
}
