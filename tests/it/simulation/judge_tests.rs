//! The judge judged: it has no complaint about an honest stream, and has the right one about each way
//! in which a stream can lie.

use doorbook::events::{
    event::DoorRole,
    ids::{Cursor, GatheringId, Offset},
};
use serde_json::{Value, json};

use super::{
    book::{Book, Topic, Who},
    judge::{From, Seen, Told, Visit},
};
use crate::stream_stage::Stage;

/// A log with two gatherings and a member of one of them, who is taken off the team at `removed`.
struct Past {
    book: Book,
    ours: GatheringId,
    removed: Offset,
}

impl Past {
    async fn new() -> Self {
        let stage = Stage::start().await;
        let ours = stage.gathering("ann").await;
        let theirs = stage.gathering("ben").await;
        stage.team(ours, "stu", Some(DoorRole::Steward)).await;
        for name in ["a", "b"] {
            stage.register(ours, name).await;
            stage.check_in(ours, name).await;
            stage.register(theirs, &format!("their-{name}")).await;
        }
        stage.check_in(ours, "a").await;
        stage.check_out(ours, "a").await;
        let removed = stage.team(ours, "stu", None).await;
        stage.undo(ours, "a").await;
        Self {
            book: Book::read(&stage.log),
            ours,
            removed,
        }
    }

    /// What an honest server says to somebody who asks for everything there was before the removal.
    fn visit(&self, who: Who, topic: Topic) -> Visit {
        let head = self.removed - 1;
        let mut visit = Visit {
            who,
            topic,
            from: From::Earliest,
            head,
            seen: Vec::new(),
        };
        for offset in 1..=head {
            let recorded = self.book.event(offset).unwrap();
            if topic.holds(recorded.gathering) && self.book.may_see(who, recorded, head) {
                let message = self.book.expected(topic, offset).unwrap();
                visit.seen.push(said(message, head));
            }
        }
        visit.seen.push(said(&self.caught_up(head), head));
        visit
    }

    fn honest(&self) -> Visit {
        self.visit(Who::Superuser, Topic::CheckIn(self.ours))
    }

    /// The same place by a snapshot.
    fn snapshot(&self) -> Value {
        let at = self.removed - 1;
        let state = self.book.state(self.ours, at);
        json!({
            "type": "initial_data",
            "event": state.gathering(self.ours),
            "participants": state.participants(self.ours),
            "cursor": self.book.cursor(at),
        })
    }

    fn caught_up(&self, at: Offset) -> Value {
        json!({"type": "caught_up", "offset": at, "cursor": self.book.cursor(at)})
    }

    fn complaint(&self, visit: &Visit) -> String {
        visit
            .judge(&self.book, &mut Told::default())
            .expect_err("nothing was found wrong")
    }

    #[track_caller]
    fn is_right(&self, visit: &Visit) {
        visit.judge(&self.book, &mut Told::default()).unwrap();
    }

    #[track_caller]
    fn is_wrong(&self, visit: &Visit, with: &str) {
        let complaint = self.complaint(visit);
        assert!(complaint.contains(with), "{complaint}");
    }

    /// The honest visit with more at its end.
    fn with(&self, more: impl IntoIterator<Item = Seen>) -> Visit {
        let mut visit = self.honest();
        visit.seen.extend(more);
        visit
    }

    fn starting(&self, from: From, first: &[Value]) -> Visit {
        let head = self.removed - 1;
        Visit {
            from,
            seen: first.iter().map(|message| said(message, head)).collect(),
            ..self.honest()
        }
    }
}

fn said(message: &Value, head: Offset) -> Seen {
    Seen::Message {
        text: message.to_string(),
        head,
    }
}

#[tokio::test]
async fn honest_streams_are_left_in_peace() {
    let past = Past::new().await;
    let head = past.removed - 1;
    for who in [
        Who::Superuser,
        Who::Auditor,
        Who::Creator("ann"),
        Who::Member("stu"),
    ] {
        for topic in [Topic::CheckIn(past.ours), Topic::Dashboard] {
            let mut visit = past.visit(who, topic);
            visit.seen.push(Seen::Settled { head });
            past.is_right(&visit);
        }
    }
    past.is_right(&past.starting(From::Nowhere, &[past.snapshot()]));
    let reset = json!({"type": "reset", "reason": "ahead"});
    past.is_right(&past.starting(
        From::Offset(head + 1),
        &[reset, past.snapshot(), past.caught_up(head)],
    ));
    past.is_right(&past.starting(From::Latest, &[past.caught_up(head)]));
}

#[tokio::test]
async fn a_lost_a_doubled_and_a_reordered_message_are_found() {
    let past = Past::new().await;
    for at in 0..past.honest().seen.len() - 1 {
        let mut visit = past.honest();
        visit.seen.remove(at);
        past.is_wrong(&visit, "lost");
        let mut visit = past.honest();
        visit.seen.insert(at, visit.seen[at].clone());
        past.is_wrong(&visit, "doubled");
        let mut visit = past.honest();
        visit.seen.swap(at, at + 1);
        past.is_wrong(&visit, "lost");
    }
    // The last ones, when nothing comes after them.
    let mut visit = past.honest();
    let end = visit.seen.len() - 2;
    visit.seen.remove(end);
    visit.seen.pop();
    past.is_right(&visit);
    visit.seen.push(Seen::Settled {
        head: past.removed - 1,
    });
    past.complaint(&visit);
}

#[tokio::test]
async fn a_foreign_message_is_found() {
    let past = Past::new().await;
    let head = past.removed - 1;
    let theirs = (past.book.events.iter())
        .find(|recorded| recorded.gathering != past.ours)
        .unwrap();
    for (who, topic) in [
        (Who::Superuser, Topic::CheckIn(past.ours)),
        (Who::Member("stu"), Topic::Dashboard),
    ] {
        let mut visit = past.visit(who, topic);
        let message = past.book.expected(topic, theirs.offset).unwrap();
        let at = usize::try_from(theirs.offset - 1).unwrap();
        visit.seen.insert(at, said(message, head));
        past.is_wrong(&visit, "foreign");
    }
    let mut invented = past.book.expected(Topic::Dashboard, 1).unwrap().clone();
    invented["offset"] = json!(head + 1);
    past.is_wrong(&past.with([said(&invented, head)]), "the head is at");
}

#[tokio::test]
async fn a_changed_message_is_found() {
    let past = Past::new().await;
    for (topic, field) in [
        (Topic::CheckIn(past.ours), "/occupancy/inside"),
        (Topic::CheckIn(past.ours), "/participant/user/last_name"),
        (Topic::CheckIn(past.ours), "/participant/checked_in"),
        (Topic::CheckIn(past.ours), "/timestamp"),
        (Topic::Dashboard, "/counts/registered"),
        (Topic::Dashboard, "/update_type"),
        (Topic::Dashboard, "/event_id"),
    ] {
        let mut visit = past.visit(Who::Superuser, topic);
        let changed = (visit.seen.iter_mut()).find_map(|seen| {
            let Seen::Message { text, .. } = seen else {
                return None;
            };
            let mut message: Value = serde_json::from_str(text).unwrap();
            *message.pointer_mut(field)? = json!("something else");
            *text = message.to_string();
            Some(())
        });
        changed.unwrap();
        past.is_wrong(&visit, &format!("changed: {field}"));
    }
    // What the log does not say must be the same for all.
    let (mut told, mut visit) = (Told::default(), past.honest());
    visit.judge(&past.book, &mut told).unwrap();
    let Seen::Message { text, .. } = &mut visit.seen[2] else {
        panic!("a message");
    };
    *text = text.replacen('{', r#"{"more": 1,"#, 1);
    let wrong = visit.judge(&past.book, &mut told).unwrap_err();
    assert!(wrong.contains("told in two ways"), "{wrong}");
}

#[tokio::test]
async fn words_about_the_catching_up_that_are_not_due_are_found() {
    let past = Past::new().await;
    let head = past.removed - 1;
    let again = past.caught_up(head);
    past.is_wrong(&past.with([said(&again, head)]), "it has been");
    let behind = json!({"type": "fell_behind", "offset": head, "head": head + 1});
    let later = head + 1;
    past.is_right(&past.with([said(&behind, later)]));
    let twice = past.with([said(&behind, later), said(&behind, later)]);
    past.is_wrong(&twice, "fell_behind before");
    let never = past.with([said(&behind, later), Seen::Settled { head: later }]);
    past.is_wrong(&never, "caught_up never came");
    let heartbeat = json!({"type": "heartbeat", "offset": 3, "cursor": past.book.cursor(3)});
    past.is_wrong(&past.with([said(&heartbeat, head)]), "goes back");
    let mut early = past.starting(From::Earliest, &[past.caught_up(head)]);
    past.is_wrong(&early, "lost");
    early.seen[0] = said(
        &json!({"type": "caught_up", "offset": 0, "cursor": past.book.cursor(0)}),
        head,
    );
    past.is_wrong(&early, "below what was the head");
}

#[tokio::test]
async fn resets_and_snapshots_that_lie_are_found() {
    let past = Past::new().await;
    let head = past.removed - 1;
    let reset = |reason: &str| json!({"type": "reset", "reason": reason});
    let ours = From::Cursor(Cursor {
        epoch: past.book.epoch,
        offset: 3,
    });
    for (from, first) in [
        (ours, reset("log_changed")),
        (From::Latest, reset("ahead")),
        (From::Offset(head + 1), reset("log_changed")),
        (From::Nowhere, reset("view_changed")),
    ] {
        past.is_wrong(&past.starting(from, &[first]), "not due");
    }
    for from in [From::Foreign, From::Offset(head + 1), From::Nowhere] {
        let visit = past.starting(from, &[past.caught_up(head)]);
        past.is_wrong(&visit, "a snapshot is due");
    }
    let visit = past.starting(From::Foreign, &[reset("log_changed"), past.caught_up(head)]);
    past.is_wrong(&visit, "instead of initial_data");
    for (field, complaint) in [
        ("/event/inside_count", "inside_count"),
        ("/participants/1/checked_in", "checked_in"),
        ("/participants/0/offset", "offset"),
    ] {
        let mut snapshot = past.snapshot();
        *snapshot.pointer_mut(field).unwrap() = json!(77);
        past.is_wrong(&past.starting(From::Nowhere, &[snapshot]), complaint);
    }
    let mut short = past.snapshot();
    short["participants"].as_array_mut().unwrap().pop();
    past.is_wrong(
        &past.starting(From::Nowhere, &[short]),
        "1 participants of 2",
    );
    let mut old = past.snapshot();
    old["cursor"] = json!(past.book.cursor(4));
    past.is_wrong(&past.starting(From::Nowhere, &[old]), "asked for at");
}

#[tokio::test]
async fn who_is_removed_must_be_shut_out_and_told_nothing_after() {
    let past = Past::new().await;
    let head = past.book.head();
    let stu = Who::Member("stu");
    let topic = Topic::CheckIn(past.ours);
    let mut visit = past.visit(stu, topic);
    visit.seen.push(Seen::Closed {
        code: Some(4403),
        head,
    });
    past.is_right(&visit);
    let mut visit = past.visit(stu, topic);
    visit.seen.push(Seen::Settled { head });
    past.is_wrong(&visit, "may see no more");
    for topic in [topic, Topic::Dashboard] {
        for offset in past.removed..=head {
            let mut visit = past.visit(stu, topic);
            let message = past.book.expected(topic, offset).unwrap();
            visit.seen.push(said(message, head));
            past.is_wrong(&visit, "foreign");
        }
    }
    let undue = past.with([Seen::Closed {
        code: Some(4403),
        head,
    }]);
    past.is_wrong(&undue, "not due");
}

#[tokio::test]
async fn a_resume_in_place_may_go_back_but_not_lose_anything() {
    let past = Past::new().await;
    let head = past.removed - 1;
    let resumed = Seen::Resumed {
        from: From::Earliest,
        head,
    };
    let all = past.honest().seen;
    let mut visit = past.with([resumed]);
    past.is_right(&visit);
    visit.seen.push(Seen::Settled { head });
    past.is_wrong(&visit, "not answered");
    visit.seen.pop();
    visit.seen.extend(all.clone());
    past.is_right(&visit);
    visit.seen.remove(all.len() + 2);
    past.is_wrong(&visit, "lost");
}
