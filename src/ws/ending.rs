//! Why connections end, and the close code that says so. 4400 to 4499 may reconnect.

use crate::projections::ViewError;

use super::socket::WriteError;

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Closed by the client, or broken off.
    Left,
    ServerStops,
    TooBig,
    NotUtf8,
    ProtocolError,
    /// A view could not be read. Nothing else is affected.
    ReaderFailed,
    Expired,
    /// A door token that was taken back.
    Revoked,
    NoLongerAllowed,
    Stalled,
    TooManyMessages,
}

impl Ending {
    /// In the order of declaration: an ending's number is its place here.
    pub(crate) const ALL: [Self; 11] = [
        Self::Left,
        Self::ServerStops,
        Self::TooBig,
        Self::NotUtf8,
        Self::ProtocolError,
        Self::ReaderFailed,
        Self::Expired,
        Self::Revoked,
        Self::NoLongerAllowed,
        Self::Stalled,
        Self::TooManyMessages,
    ];

    /// The close code and a word about it; none for a client that left by itself.
    pub(crate) const fn code(self) -> Option<(u16, &'static str)> {
        let code = match self {
            Self::Left => return None,
            Self::ServerStops => (1012, "the server restarts: connect again with your cursor"),
            Self::TooBig => (1009, "messages may be 4 KiB"),
            Self::NotUtf8 => (1007, "text must be UTF-8"),
            Self::ProtocolError => (1002, "not the WebSocket protocol"),
            Self::ReaderFailed => (
                1011,
                "the stream cannot be read: connect again with your cursor",
            ),
            Self::Expired => (4401, "the token has expired"),
            Self::Revoked => (4401, "the token has been revoked"),
            Self::NoLongerAllowed => (4403, "no longer allowed"),
            Self::Stalled => (4408, "no write progress"),
            Self::TooManyMessages => (4429, "too many messages a second"),
        };
        Some(code)
    }

    /// The label in metrics: a fixed set.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Left => "client",
            Self::ServerStops => "1012",
            Self::TooBig => "1009",
            Self::NotUtf8 => "1007",
            Self::ProtocolError => "1002",
            Self::ReaderFailed => "1011",
            Self::Expired | Self::Revoked => "4401",
            Self::NoLongerAllowed => "4403",
            Self::Stalled => "4408",
            Self::TooManyMessages => "4429",
        }
    }
}

impl From<WriteError> for Ending {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Stalled => Self::Stalled,
            WriteError::Gone => Self::Left,
        }
    }
}

impl From<ViewError> for Ending {
    fn from(error: ViewError) -> Self {
        tracing::error!(%error, "a stream cannot be read");
        Self::ReaderFailed
    }
}
