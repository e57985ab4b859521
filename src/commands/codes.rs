//! Names that the server makes up: ticket codes, the id of a gathering from the command that
//! creates it, command ids for undos and import lines.

use sha2::{Digest, Sha256};

use super::CommandError;
use crate::events::{
    ids::{Code, CommandId, GatheringId, ID_TEXT_BYTES_MAX},
    log::Log,
};

/// No 0 and O, 1, I and L, and no U: what people read out to each other.
const ALPHABET: &[u8; 30] = b"23456789ABCDEFGHJKMNPQRSTVWXYZ";
const CODE_CHARS: usize = 10;
/// Fresh codes tried before giving up. Two equal ones in 30¹⁰ are a broken random source.
const TRIES_MAX: usize = 8;

/// The id of the gathering that a `CreateGathering` makes: the same command by the same actor
/// makes the same gathering, so that a retry finds it.
#[must_use]
pub fn gathering_id_for(command_id: Option<&CommandId>, actor_id: &str) -> GatheringId {
    let Some(command_id) = command_id else {
        return GatheringId::generate();
    };
    let digest: [u8; 32] = Sha256::new()
        .chain_update(b"doorbook gathering\0")
        .chain_update((actor_id.len() as u64).to_le_bytes())
        .chain_update(actor_id.as_bytes())
        .chain_update(command_id.as_str().as_bytes())
        .finalize()
        .into();
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    // UUID version 8 (own making), RFC 9562 variant.
    id[6] = (id[6] & 0x0f) | 0x80;
    id[8] = (id[8] & 0x3f) | 0x80;
    GatheringId::from_bytes(id)
}

/// A code that nobody has, claimed.
pub(super) fn claim_fresh(log: &Log, gathering: GatheringId) -> Result<Code, CommandError> {
    for _ in 0..TRIES_MAX {
        let code = fresh()?;
        if log.claim_code(&code, gathering) {
            return Ok(code);
        }
    }
    Err(CommandError::Unavailable(
        "the random source repeats itself".to_owned(),
    ))
}

/// The command id of an undo that has none of its own.
pub(super) fn undo_id_of(scan: &CommandId) -> Option<CommandId> {
    let text = format!("undo:{scan}");
    let text = if text.len() <= ID_TEXT_BYTES_MAX {
        text
    } else {
        let digest: [u8; 32] = Sha256::digest(scan.as_str().as_bytes()).into();
        format!("undo:{}", hex::encode(digest))
    };
    CommandId::parse(&text).ok()
}

fn fresh() -> Result<Code, CommandError> {
    let failed = |detail: String| {
        CommandError::Unavailable(format!("no ticket code could be made: {detail}"))
    };
    let mut text = String::with_capacity(CODE_CHARS);
    let mut bytes = [0_u8; 4 * CODE_CHARS];
    while text.len() < CODE_CHARS {
        getrandom::fill(&mut bytes).map_err(|error| failed(error.to_string()))?;
        let fair = bytes.iter().filter(|byte| **byte < 240);
        let symbols = fair.map(|byte| char::from(ALPHABET[usize::from(byte % 30)]));
        text.extend(symbols.take(CODE_CHARS - text.len()));
    }
    Code::parse(&text).map_err(|invalid| failed(invalid.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_code_has_ten_characters_that_nobody_mixes_up() {
        let code = fresh().unwrap();
        assert_eq!(code.as_str().len(), CODE_CHARS);
        assert!(code.as_str().bytes().all(|byte| ALPHABET.contains(&byte)));
    }

    #[test]
    fn the_same_command_by_the_same_actor_makes_the_same_gathering() {
        let id = CommandId::parse("create-1").unwrap();
        let made = gathering_id_for(Some(&id), "ana");
        assert_eq!(made, gathering_id_for(Some(&id), "ana"));
        assert_ne!(made, gathering_id_for(Some(&id), "bea"));
        assert_ne!(gathering_id_for(None, "ana"), gathering_id_for(None, "ana"));
        assert_eq!(made.to_string().chars().nth(14), Some('8'));
    }

    #[test]
    fn the_longest_scan_id_still_names_its_undo() {
        let longest = CommandId::parse(&"x".repeat(ID_TEXT_BYTES_MAX)).unwrap();
        assert!(undo_id_of(&longest).is_some());
    }
}
