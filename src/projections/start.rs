//! What a stream starts with: the state of a gathering at an offset, made once for all who connect
//! between two events.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    dashboard::Row, gathering::Gathering, live::Inner, participants::Participant, views::ViewError,
};
use crate::events::ids::Offset;

/// Everything `initial_data` needs, at one offset.
pub struct GatheringSnapshot {
    /// As of `offset`, but without arrivals.
    pub row: Arc<Row>,
    /// In the order they registered.
    pub participants: Vec<Arc<Participant>>,
    pub truncated: bool,
    pub offset: Offset,
    participants_max: usize,
    /// How often a generation had taken another's place: that happens at an equal offset.
    switches: u64,
}

impl GatheringSnapshot {
    /// `last` is the gathering's last event now.
    const fn is_current(&self, participants_max: usize, last: Offset, switches: u64) -> bool {
        self.participants_max == participants_max
            && self.offset >= last
            && self.switches == switches
    }
}

impl Gathering {
    /// The shared snapshot, if nothing has happened since it was made and nobody is making one.
    pub(super) fn current_snapshot(
        &self,
        participants_max: usize,
        switches: u64,
    ) -> Option<Arc<GatheringSnapshot>> {
        let shared = self.shared.try_lock()?;
        let snapshot = shared.as_ref()?;
        let offset = self.live.read().participants.state.offset;
        snapshot
            .is_current(participants_max, offset, switches)
            .then(|| snapshot.clone())
    }
}

/// Builds the snapshot, or takes the one that somebody else has just built.
pub(super) fn shared_snapshot(
    inner: &Inner,
    gathering: &Gathering,
    participants_max: usize,
) -> Result<Arc<GatheringSnapshot>, ViewError> {
    let mut shared = gathering.shared.lock();
    // Read before what it counts.
    let switches = inner.switches();
    let (rows, state) = {
        let live = gathering.live.read();
        let state = &live.participants.state;
        if let Some(snapshot) = &*shared
            && snapshot.is_current(participants_max, state.offset, switches)
        {
            return Ok(snapshot.clone());
        }
        let rows: Vec<_> = state.rows.iter().take(participants_max).cloned().collect();
        let frame = (
            state.details.clone(),
            state.occupancy,
            state.names.clone(),
            state.rows.len() > participants_max,
            state.offset,
            live.covered,
        );
        (rows, frame)
    };
    let (details, occupancy, names, truncated, offset, covered) = state;
    let team = (inner.board.live.read().dashboard.row(gathering.id))
        .map(|row| row.team.clone())
        .unwrap_or_default();
    let snapshot = Arc::new(GatheringSnapshot {
        row: Arc::new(Row {
            id: gathering.id,
            details: details.ok_or(ViewError::UnknownGathering)?,
            team,
            door_tokens: Arc::default(),
            occupancy,
            arrivals: BTreeMap::new(),
            offset,
        }),
        participants: (rows.iter())
            .map(|row| row.participant(gathering.id, &names, inner.log.keys()))
            .collect(),
        truncated,
        offset: covered,
        participants_max,
        switches,
    });
    *shared = Some(snapshot.clone());
    Ok(snapshot)
}
