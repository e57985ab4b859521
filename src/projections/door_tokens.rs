//! A gathering's door tokens as its organizers see them. The tokens themselves are nowhere; their names,
//! which may be people's, are unsealed here and never kept in clear.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::{dashboard::Row, person::unseal};
use crate::events::{event::DoorRole, ids::DoorTokenId, keys::Keys, time::Timestamp};

#[derive(Debug, Serialize, ToSchema)]
pub struct DoorToken {
    #[schema(value_type = String, format = Uuid)]
    pub jti: DoorTokenId,
    /// Null when it cannot be read any more.
    pub name: Option<String>,
    pub door_role: DoorRole,
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    pub revoked: bool,
    /// The `sub` of whoever minted it.
    #[schema(value_type = String)]
    pub minted_by: Arc<str>,
}

pub(super) fn listed(
    row: &Row,
    after: Option<DoorTokenId>,
    limit: usize,
    keys: &Keys,
) -> Vec<DoorToken> {
    (row.door_tokens.after(after).take(limit))
        .map(|(jti, kept)| DoorToken {
            jti,
            name: unseal(keys, row.id, row.id.to_bytes(), &kept.name)
                .and_then(|clear| String::from_utf8(clear).ok()),
            door_role: kept.door_role,
            expires_at: kept.expires_at,
            revoked: kept.revoked,
            minted_by: Arc::clone(&kept.minted_by),
        })
        .collect()
}
