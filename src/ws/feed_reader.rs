//! The one loop behind every stream: a cursor, and what lies after it. Replay, live, slow and
//! resumed readers all come through [`StreamReader::next`]; there is no handover between them and
//! no queue per reader.
//!
//! Knows what a caller may see. Does not know how it is sent (`session`, `sse`), nor when (`subscription`).

use std::{collections::HashMap, sync::Arc};

use tokio::sync::watch;

use crate::{
    auth::{Action, Principal},
    events::{
        event::{DoorRole, Event},
        ids::{Cursor, GatheringId, Offset},
        recorded::Recorded,
        time::Timestamp,
    },
    projections::{
        ViewError, Views,
        dashboard::{Row, Update},
        feed::{FeedEntry, Page},
        views::{DashboardPage, FeedReader},
    },
};

use super::{
    ending::Ending,
    protocol::{ServerMessage, checkin_message, dashboard_message, encode},
    subscription::{Outgoing, Text},
};

/// Most events that are read in one step.
const PAGE_EVENTS_MAX: usize = 256;
/// Gatherings whose visibility a dashboard reader remembers.
const REMEMBERED_MAX: usize = 4_096;

/// What lies after the cursor.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// In order; to be sent before anything else is asked for.
    pub(crate) messages: Vec<Outgoing>,
    /// There is nothing more right now: wait for [`StreamReader::changed`].
    pub(crate) at_head: bool,
    /// The caller may see no more.
    pub(crate) shut_out: bool,
    /// With `shut_out`: since the caller's door token has been taken back.
    pub(crate) revoked: bool,
    /// A person has been erased: what was encoded before still names them.
    pub(crate) erased: bool,
    /// When the newest event was recorded, if the reader is live.
    pub(crate) newest: Option<Timestamp>,
}

impl Batch {
    /// Why the stream ends after these messages, if it does.
    pub(crate) const fn shut_out_with(&self) -> Option<Ending> {
        match (self.shut_out, self.revoked) {
            (false, _) => None,
            (true, true) => Some(Ending::Revoked),
            (true, false) => Some(Ending::NoLongerAllowed),
        }
    }
}

pub(crate) struct StreamReader {
    views: Views,
    topic: Topic,
    /// Everything up to here has been handed out, or is not for this caller.
    cursor: Offset,
    phase: Phase,
    wake: watch::Receiver<Offset>,
}

/// How far a reader has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// On the way to the head; `announce`: to be told with `caught_up`.
    CatchingUp { announce: bool },
    /// Has been at the head, and not fallen below the tail since.
    Live,
}

enum Topic {
    CheckIn {
        feed: FeedReader,
        access: Access,
    },
    Dashboard {
        principal: Principal,
        /// Forgotten for a gathering when its team changes.
        visible: HashMap<GatheringId, bool>,
    },
}

/// What one caller may see of one gathering, followed through the feed: the dashboard's row may be
/// a moment ahead of the feed or behind it.
#[derive(Clone)]
pub(crate) struct Access {
    principal: Principal,
    gathering: GatheringId,
    is_creator: bool,
    team_role: Option<DoorRole>,
    /// The caller's door token has been taken back, which is for ever.
    revoked: bool,
    /// The team as of this offset is in `team_role`.
    known: Offset,
}

impl Access {
    pub(crate) fn of(principal: Principal, row: &Row) -> Self {
        Self {
            gathering: row.id,
            is_creator: row.details.creator == principal.id,
            team_role: row.team.get(&principal.id).copied(),
            revoked: is_revoked(&principal, row),
            known: row.offset,
            principal,
        }
    }

    pub(crate) fn principal(&self) -> &Principal {
        &self.principal
    }

    pub(crate) const fn gathering(&self) -> GatheringId {
        self.gathering
    }

    /// Whether the gathering exists for the caller at all.
    pub(crate) fn sees_gathering(&self) -> bool {
        self.standing().sees_gathering()
    }

    pub(crate) fn may_read(&self) -> bool {
        !self.revoked
            && self
                .principal
                .may(self.standing(), Action::ReadParticipants)
    }

    /// Whether it is the role `auditor` alone that lets the caller read.
    pub(crate) fn reads_as_auditor(&self) -> bool {
        (self.principal).reads_as_auditor(self.standing(), Action::ReadParticipants)
    }

    fn standing(&self) -> crate::auth::Standing {
        self.principal
            .standing(self.gathering, self.is_creator, self.team_role)
    }

    fn follow(&mut self, recorded: &Recorded) {
        match &recorded.event {
            Event::ServiceTeamChanged { user_id, door_role }
                if recorded.offset > self.known && *user_id == self.principal.id =>
            {
                self.team_role = *door_role;
                self.known = recorded.offset;
            }
            Event::DoorTokenRevoked { jti } => {
                self.revoked |= self.principal.door_token() == Some((self.gathering, *jti));
            }
            _ => {}
        }
    }

    /// A reader far behind does not meet its own removal for a while; the row knows of it.
    fn refresh(&mut self, row: &Row) {
        if row.offset > self.known {
            self.team_role = row.team.get(&self.principal.id).copied();
            self.revoked |= is_revoked(&self.principal, row);
            self.known = row.offset;
        }
    }
}

/// Whether the caller's door token has been taken back.
pub(crate) fn door_is_shut(views: &Views, principal: &Principal) -> bool {
    (principal.door_token())
        .is_some_and(|(gathering, jti)| views.door_token_revoked(gathering, jti))
}

fn is_revoked(principal: &Principal, row: &Row) -> bool {
    (principal.door_token())
        .is_some_and(|(gathering, jti)| gathering == row.id && row.has_revoked(jti))
}

impl StreamReader {
    pub(crate) async fn check_in(
        views: &Views,
        mut access: Access,
        after: Offset,
        announce: bool,
    ) -> Result<Self, ViewError> {
        // Who left the team before the cursor's place would never meet it in the feed.
        if let Some(row) = views.row(access.gathering) {
            access.refresh(&row);
        }
        // Watched before it is read, so that nothing lands between the two unnoticed.
        let wake = views.watch_gathering(access.gathering).await?;
        let feed = views.reader(access.gathering, after).await?;
        Ok(Self {
            views: views.clone(),
            topic: Topic::CheckIn { feed, access },
            cursor: after,
            phase: Phase::CatchingUp { announce },
            wake,
        })
    }

    pub(crate) fn dashboard(
        views: &Views,
        principal: Principal,
        after: Offset,
        announce: bool,
    ) -> Self {
        Self {
            views: views.clone(),
            topic: Topic::Dashboard {
                principal,
                visible: HashMap::new(),
            },
            cursor: after,
            phase: Phase::CatchingUp { announce },
            wake: views.watch_dashboard(),
        }
    }

    /// Everything up to the cursor has been handed out by other means, and is of no other kind than
    /// what a reader at the head is told.
    pub(crate) fn advance(&mut self, cursor: Offset) {
        self.cursor = self.cursor.max(cursor);
        if let Topic::CheckIn { feed, .. } = &mut self.topic {
            feed.advance(self.cursor);
        }
    }

    pub(crate) fn cursor(&self) -> Cursor {
        Cursor {
            epoch: self.views.log().epoch(),
            offset: self.cursor,
        }
    }

    /// The same caller with a new token, which may say something else about what they are.
    pub(crate) fn renew(&mut self, renewed: Principal) {
        match &mut self.topic {
            Topic::CheckIn { access, .. } => access.principal = renewed,
            Topic::Dashboard { principal, visible } => {
                *principal = renewed;
                visible.clear();
            }
        }
    }

    /// What lies after the cursor, and the cursor moves over it.
    pub(crate) async fn next(&mut self) -> Result<Batch, ViewError> {
        let batch = self.read().await?;
        Ok(match &self.topic {
            Topic::CheckIn { access, .. } => Batch {
                revoked: access.revoked,
                ..batch
            },
            // The row is at least as new as what was read, so nothing after the revocation gets out.
            Topic::Dashboard { principal, .. } if door_is_shut(&self.views, principal) => Batch {
                shut_out: true,
                revoked: true,
                ..Batch::default()
            },
            Topic::Dashboard { .. } => batch,
        })
    }

    async fn read(&mut self) -> Result<Batch, ViewError> {
        // From here on a change wakes, whether this read sees it already or not.
        self.wake.borrow_and_update();
        match &mut self.topic {
            Topic::CheckIn { feed, access } => match feed.next(PAGE_EVENTS_MAX).await? {
                Page::Entries {
                    entries,
                    covers,
                    from_tail,
                } => {
                    if !from_tail && let Some(row) = self.views.row(access.gathering) {
                        access.refresh(&row);
                    }
                    let (messages, shut_out) = seen_entries(&entries, access);
                    let erased = entries.iter().any(|entry| erases(&entry.recorded.event));
                    let newest = entries.last().map(|entry| entry.recorded.recorded_at);
                    Ok(Batch {
                        shut_out,
                        erased,
                        ..self.moved(messages, covers, from_tail, newest)
                    })
                }
                Page::AtHead { head } => {
                    let shut_out = !access.may_read();
                    Ok(Batch {
                        shut_out,
                        ..self.reached(head)
                    })
                }
            },
            Topic::Dashboard { principal, visible } => {
                match self
                    .views
                    .dashboard_page(self.cursor, PAGE_EVENTS_MAX)
                    .await?
                {
                    DashboardPage::Updates {
                        updates,
                        covers,
                        from_tail,
                    } => {
                        if !from_tail {
                            // Far behind, it does not meet its own removal for a while; the rows know.
                            visible.clear();
                        }
                        let messages = seen_updates(&updates, principal, visible, &self.views);
                        let newest = updates.last().map(|update| update.recorded.recorded_at);
                        Ok(self.moved(messages, covers, from_tail, newest))
                    }
                    DashboardPage::AtHead { head } => Ok(self.reached(head)),
                }
            }
        }
    }

    /// Waits until there may be more. Safe to drop while waiting.
    pub(crate) async fn changed(&mut self) -> Result<(), ViewError> {
        if self.wake.changed().await.is_ok() {
            return Ok(());
        }
        // The view was dropped as cold, or replaced by a rebuild: its successor wakes from now on.
        self.wake = match &self.topic {
            Topic::CheckIn { access, .. } => self.views.watch_gathering(access.gathering).await?,
            Topic::Dashboard { .. } => self.views.watch_dashboard(),
        };
        Ok(())
    }

    fn moved(
        &mut self,
        mut messages: Vec<Outgoing>,
        covers: Offset,
        from_tail: bool,
        newest: Option<Timestamp>,
    ) -> Batch {
        let live = self.phase == Phase::Live && from_tail;
        if self.phase == Phase::Live && !from_tail {
            self.phase = Phase::CatchingUp { announce: true };
            let fell_behind = ServerMessage::FellBehind {
                offset: self.cursor,
                head: self.views.log().head(),
            };
            messages.splice(0..0, Outgoing::at(self.cursor, &fell_behind));
        }
        debug_assert!(covers >= self.cursor, "a cursor never moves back");
        self.cursor = self.cursor.max(covers);
        Batch {
            messages,
            newest: newest.filter(|_| live),
            ..Batch::default()
        }
    }

    fn reached(&mut self, head: Offset) -> Batch {
        self.cursor = self.cursor.max(head);
        let announced = self.phase == Phase::CatchingUp { announce: true };
        self.phase = Phase::Live;
        let caught_up = announced.then(|| ServerMessage::CaughtUp {
            offset: self.cursor,
            cursor: self.cursor(),
        });
        Batch {
            messages: (caught_up.as_ref())
                .and_then(|caught_up| Outgoing::at(self.cursor, caught_up))
                .into_iter()
                .collect(),
            at_head: true,
            ..Batch::default()
        }
    }
}

/// A removal from the team ends the stream before anything that came after it is handed out.
fn seen_entries(entries: &[Arc<FeedEntry>], access: &mut Access) -> (Vec<Outgoing>, bool) {
    let mut messages = Vec::with_capacity(entries.len() + 1);
    for entry in entries {
        access.follow(&entry.recorded);
        if !access.may_read() {
            return (messages, true);
        }
        let text = entry.encoded(|entry| encode(&checkin_message(entry)?));
        messages.extend(text.map(|text| Outgoing {
            seen: Some(entry.offset()),
            text: Text::Whole(text),
        }));
    }
    (messages, !access.may_read())
}

fn seen_updates(
    updates: &[Arc<Update>],
    principal: &Principal,
    visible: &mut HashMap<GatheringId, bool>,
    views: &Views,
) -> Vec<Outgoing> {
    let mut messages = Vec::with_capacity(updates.len());
    for update in updates {
        let recorded = &update.recorded;
        if changes_visibility(&recorded.event) {
            visible.remove(&recorded.gathering);
        }
        if visible.len() > REMEMBERED_MAX {
            visible.clear();
        }
        let sees = *visible.entry(recorded.gathering).or_insert_with(|| {
            views
                .row(recorded.gathering)
                .is_some_and(|row| Access::of(principal.clone(), &row).may_read())
        });
        if sees {
            let text = update.encoded(|update| encode(&dashboard_message(update)?));
            messages.extend(text.map(|text| Outgoing {
                seen: Some(recorded.offset),
                text: Text::Whole(text),
            }));
        }
    }
    messages
}

const fn changes_visibility(event: &Event) -> bool {
    matches!(
        event,
        Event::ServiceTeamChanged { .. } | Event::GatheringCreated(_)
    )
}

const fn erases(event: &Event) -> bool {
    matches!(event, Event::ParticipantErased { .. })
}
