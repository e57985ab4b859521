//! `?as_of=`: the moment that a reader asks for, an offset or a time.
//!
//! Not here: what was true then (`projections::as_of`).

use serde::{Deserialize, Deserializer, de::Error as _};
use utoipa::IntoParams;

use super::{
    App,
    caller::{Caller, Seat},
    problem::Problem,
};
use crate::{
    auth::Action,
    events::{ids::Offset, time::Timestamp},
    projections::as_of::AsOf,
};

/// An offset, or a time as RFC 3339.
pub(super) struct Moment(AsOf);

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AsOfParams {
    /// As it was right after this offset, or at this time (RFC 3339).
    #[param(value_type = Option<String>)]
    pub(super) as_of: Option<Moment>,
}

impl Moment {
    /// The offset that is meant, for a caller who may look back.
    pub(super) async fn offset(
        &self,
        app: &App,
        caller: &Caller,
        seat: &Seat,
    ) -> Result<Offset, Problem> {
        caller.require(seat, Action::ReadHistory)?;
        Ok(app.views.moment(self.0, Timestamp::now()).await?)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let as_of = if is_number {
            text.parse().ok().map(AsOf::Offset)
        } else {
            Timestamp::parse(&text).ok().map(AsOf::Time)
        };
        as_of.map(Self).ok_or_else(|| {
            D::Error::custom("must be an offset, or RFC 3339 such as 2026-05-01T18:00:00Z")
        })
    }
}
