//! A log that is copied: of a closed directory here or of a running server there, which both give frames,
//! keys and the list of who was erased.

use doorbook::{
    backup::{Erased, KeyContent, list_of},
    events::{
        ids::{Epoch, Offset},
        log::Log,
    },
};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::{
    failure::Failure,
    place::{Place, open_log},
    server::Server,
};

/// Bytes of a page of frames that is read here.
const PAGE_BYTES: usize = 4 * 1024 * 1024;
const STATE: &str = "/api/admin/backup";

pub(crate) enum Source {
    Here(Log),
    There(Server),
}

/// Which log it is, how far it goes, and its chain's hash at the offset that was asked for.
pub(crate) struct State {
    pub(crate) epoch: Epoch,
    pub(crate) head: Offset,
    pub(crate) chain: Option<String>,
}

impl Source {
    pub(crate) fn open(place: Place) -> Result<Self, Failure> {
        Ok(match place {
            Place::Directory(dir) => Self::Here(open_log(&dir)?),
            Place::Server(server) => Self::There(server),
        })
    }

    pub(crate) fn state(&self, at: Offset) -> Result<State, Failure> {
        match self {
            Self::Here(log) => Ok(State {
                epoch: log.epoch(),
                head: log.head(),
                chain: log.chain_at(at).map_err(Failure::check)?,
            }),
            Self::There(server) => {
                let answer = server.get(STATE, &[("at", at.to_string())])?;
                let word = |name: &str| answer[name].as_str().map(str::to_owned);
                let epoch = word("epoch").and_then(|epoch| epoch.parse().ok());
                Ok(State {
                    epoch: epoch.ok_or_else(strange)?,
                    head: answer["head"].as_u64().ok_or_else(strange)?,
                    chain: word("chain"),
                })
            }
        }
    }

    /// Whole frames after an offset; empty at the end.
    pub(crate) fn frames(&self, after: Offset, up_to: Offset) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Here(log) => log
                .raw_frames(after, up_to, PAGE_BYTES)
                .map_err(Failure::check),
            Self::There(server) => {
                let query = [("after", after.to_string()), ("up_to", up_to.to_string())];
                server.bytes(&format!("{STATE}/frames"), &query)
            }
        }
    }

    pub(crate) fn keys(&self) -> Result<Vec<KeyContent>, Failure> {
        let mut keys = Vec::new();
        for name in self.key_names()? {
            let bytes = match self {
                Self::Here(log) => {
                    let content = log.keys().file_content(&name);
                    content.map_err(Failure::unreachable)?
                }
                Self::There(server) => {
                    let query = [("file", name.clone())];
                    let content = server.bytes(&format!("{STATE}/keys"), &query)?;
                    Some(Zeroizing::new(content))
                }
            };
            if let Some(bytes) = bytes {
                keys.push(KeyContent { name, bytes });
            }
        }
        Ok(keys)
    }

    /// To be asked after the keys.
    pub(crate) fn erased(&self) -> Result<Vec<Erased>, Failure> {
        match self {
            Self::Here(log) => Ok(list_of(log)),
            Self::There(server) => {
                let mut answer = server.get(&format!("{STATE}/erased"), &[])?;
                serde_json::from_value(answer["erased"].take()).map_err(Failure::check)
            }
        }
    }

    pub(crate) fn close(self) -> Result<(), Failure> {
        match self {
            Self::Here(log) => log.close().map_err(Failure::unreachable),
            Self::There(_) => Ok(()),
        }
    }

    fn key_names(&self) -> Result<Vec<String>, Failure> {
        match self {
            Self::Here(log) => log.keys().file_names().map_err(Failure::unreachable),
            Self::There(server) => {
                let answer = server.get(&format!("{STATE}/keys"), &[])?;
                let names = answer["files"].as_array().ok_or_else(strange)?;
                let name = |name: &Value| {
                    let name = name.as_str().filter(|name| is_file_name(name));
                    name.map(str::to_owned).ok_or_else(strange)
                };
                names.iter().map(name).collect()
            }
        }
    }
}

/// What the server sends becomes a file's name here.
fn is_file_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

fn strange() -> Failure {
    Failure::refused("the server's answer is not what a doorbook says")
}
