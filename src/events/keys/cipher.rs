//! Sealing, unsealing and keyed hashing with one key. Knows nothing of files or of whose key it is.

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::events::event::Sealed;

pub(super) const KEY_BYTES: usize = 32;
pub(super) const NONCE_BYTES: usize = 24;
/// What sealing adds after the ciphertext.
pub(super) const TAG_BYTES: usize = 16;

/// Wiped from memory when dropped.
#[derive(Clone)]
pub(super) struct SubjectKey(Zeroizing<[u8; KEY_BYTES]>);

impl SubjectKey {
    pub(super) fn generate() -> Self {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        fill_random(&mut *key);
        Self(key)
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        (bytes.len() == KEY_BYTES).then(|| key.copy_from_slice(bytes))?;
        Some(Self(key))
    }

    pub(super) fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// Nonce, ciphertext, tag. `bound_to` must be the same when unsealing.
    pub(super) fn seal(&self, bound_to: &[u8], clear: &[u8]) -> Sealed {
        let mut nonce = [0; NONCE_BYTES];
        fill_random(&mut nonce);
        let payload = Payload {
            msg: clear,
            aad: bound_to,
        };
        // Fails only for messages of 256 GiB and more; an empty ciphertext never unseals.
        let ciphertext = self
            .cipher()
            .encrypt(&XNonce::from(nonce), payload)
            .unwrap_or_default();
        Sealed([&nonce[..], &ciphertext].concat().into())
    }

    pub(super) fn unseal(&self, bound_to: &[u8], sealed: &Sealed) -> Option<Vec<u8>> {
        let (nonce, ciphertext) = sealed.0.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload {
            msg: ciphertext,
            aad: bound_to,
        };
        self.cipher().decrypt(&XNonce::from(*nonce), payload).ok()
    }

    /// HMAC-SHA-256 (RFC 2104), first 16 bytes.
    pub(super) fn keyed_hash(&self, content: &[u8]) -> [u8; 16] {
        const BLOCK_BYTES: usize = 64;
        let mut inner = Zeroizing::new([0x36; BLOCK_BYTES]);
        let mut outer = Zeroizing::new([0x5c; BLOCK_BYTES]);
        for (at, byte) in self.0.iter().enumerate() {
            inner[at] ^= byte;
            outer[at] ^= byte;
        }
        let inside = Sha256::new()
            .chain_update(*inner)
            .chain_update(content)
            .finalize();
        let hash = Sha256::new()
            .chain_update(*outer)
            .chain_update(inside)
            .finalize();
        let mut first = [0; 16];
        first.copy_from_slice(&hash[..16]);
        first
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&(*self.0).into())
    }
}

/// From the kernel's generator, which fails only before it is seeded at boot: then this waits.
pub(super) fn fill_random(bytes: &mut [u8]) {
    while getrandom::fill(bytes).is_err() {
        std::thread::yield_now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keyed_hash_is_hmac_sha_256() {
        // RFC 4231, test case 2 has a 4-byte key; zero padding makes it a 32-byte key.
        let mut bytes = [0; KEY_BYTES];
        bytes[..4].copy_from_slice(b"Jefe");
        let key = SubjectKey::from_bytes(&bytes).unwrap();
        assert_eq!(
            hex::encode(key.keyed_hash(b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c7"
        );
    }

    #[test]
    fn what_was_sealed_opens_with_the_same_key_and_subject_only() {
        let key = SubjectKey::generate();
        let sealed = key.seal(b"subject", b"Ada");
        assert_eq!(key.unseal(b"subject", &sealed).unwrap(), b"Ada");
        assert!(key.unseal(b"another", &sealed).is_none());
        assert!(SubjectKey::generate().unseal(b"subject", &sealed).is_none());
    }
}
