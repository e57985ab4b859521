//! Who gets a stream, from which page, with which token, and when it ends for them.

use std::time::Duration;

use doorbook::{
    events::{event::DoorRole, ids::GatheringId, time::Timestamp},
    ws::Limits,
};
use serde_json::json;

use crate::stream_stage::{Asking, DASHBOARD, Stage, claims, path, ping, superuser, token, user};

async fn status(stage: &Stage, path: &str, asking: &Asking) -> u16 {
    match stage.try_connect(path, asking).await {
        Ok(_) => 101,
        Err((status, problem)) => {
            assert_eq!(problem["status"], status, "{problem}");
            for field in ["type", "title", "detail", "code"] {
                assert!(problem[field].is_string(), "{problem}");
            }
            status
        }
    }
}

fn door_token(gathering: GatheringId, role: DoorRole) -> String {
    let mut claims = claims("door-1", &[]);
    claims.event_id = Some(gathering);
    claims.door_role = Some(role);
    token(&claims)
}

#[tokio::test]
async fn a_gathering_is_open_to_its_staff_to_superusers_and_auditors() {
    let stage = Stage::start().await;
    let gathering = stage.gathering("ada").await;
    let other = stage.gathering("eve").await;
    stage.team(gathering, "sam", Some(DoorRole::Steward)).await;
    stage
        .team(gathering, "sue", Some(DoorRole::Supervisor))
        .await;
    for (token, here, elsewhere) in [
        (superuser(), 101, 101),
        (token(&claims("ann", &["auditor"])), 101, 101),
        (user("ada"), 101, 404),
        (user("sam"), 101, 404),
        (user("sue"), 101, 404),
        (user("nobody"), 404, 404),
        (token(&claims("carl", &["creator"])), 404, 404),
        (door_token(gathering, DoorRole::Steward), 101, 404),
        (door_token(gathering, DoorRole::Supervisor), 101, 404),
    ] {
        let asking = Asking::bearer(&token);
        assert_eq!(status(&stage, &path(gathering), &asking).await, here);
        assert_eq!(status(&stage, &path(other), &asking).await, elsewhere);
        assert_eq!(status(&stage, DASHBOARD, &asking).await, 101);
    }
    let unknown = path(GatheringId::generate());
    let asking = Asking::bearer(&superuser());
    assert_eq!(status(&stage, &unknown, &asking).await, 404);
    assert_eq!(status(&stage, "/ws/events/checkin/7", &asking).await, 404);
}

#[tokio::test]
async fn the_token_comes_by_header_cookie_or_subprotocol_and_never_in_the_url() {
    let stage = Stage::start().await;
    let gathering = stage.gathering("ada").await;
    let path = path(gathering);
    let (good, bad) = (user("ada"), "x.y.z");
    let own = format!("http://{}", stage.address);
    let cookie =
        |token: &str| Asking::nothing().with("cookie", format!("a=1; doorbook_session={token}"));
    for (asking, expected) in [
        (Asking::nothing(), 401),
        (Asking::bearer(&good), 101),
        (Asking::bearer(bad), 401),
        (Asking::nothing().with("authorization", good.clone()), 401),
        (
            Asking::nothing().with(
                "sec-websocket-protocol",
                format!("doorbook.v1, bearer.{bad}"),
            ),
            401,
        ),
        (cookie(&good), 403),
        (cookie(&good).with("origin", own.clone()), 101),
        (cookie(bad).with("origin", own.clone()), 401),
        (
            cookie(bad)
                .with("origin", own)
                .with("authorization", format!("Bearer {good}")),
            101,
        ),
    ] {
        assert_eq!(
            status(&stage, &path, &asking).await,
            expected,
            "{:?}",
            asking.headers
        );
    }
    for name in ["token", "access_token", "Bearer"] {
        let path = format!("{path}?{name}={good}");
        for asking in [Asking::nothing(), Asking::bearer(&good)] {
            let (status, problem) = stage.try_connect(&path, &asking).await.err().unwrap();
            assert_eq!((status, &problem["code"]), (401, &json!("token_in_url")));
            assert!(!problem.to_string().contains(&good));
        }
    }
}

#[tokio::test]
async fn only_our_own_subprotocol_is_echoed() {
    let stage = Stage::start().await;
    for (offered, echoed) in [
        (
            format!("doorbook.v1, bearer.{}", user("ada")),
            Some("doorbook.v1"),
        ),
        (
            format!("bearer.{}, doorbook.v1", user("ada")),
            Some("doorbook.v1"),
        ),
    ] {
        let asking = Asking::nothing().with("sec-websocket-protocol", offered);
        let (_, protocol) = stage.try_connect(DASHBOARD, &asking).await.unwrap();
        assert_eq!(protocol.as_deref(), echoed);
    }
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused_whatever_it_brings() {
    let stage = Stage::start().await;
    let own = format!("http://{}", stage.address);
    let port = stage.address.port();
    for (origin, expected) in [
        (own.as_str(), 101),
        ("https://desk.example", 101),
        ("http://desk.example", 403),
        ("https://desk.example.evil", 403),
        (&format!("http://localhost:{port}"), 403),
        ("null", 403),
    ] {
        for asking in [
            Asking::bearer(&superuser()),
            Asking::nothing().with("cookie", format!("doorbook_session={}", superuser())),
            Asking::nothing().with(
                "sec-websocket-protocol",
                format!("doorbook.v1, bearer.{}", superuser()),
            ),
        ] {
            let asking = asking.with("origin", origin);
            assert_eq!(
                status(&stage, DASHBOARD, &asking).await,
                expected,
                "{origin}"
            );
        }
    }
}

#[tokio::test]
async fn a_wrong_start_is_refused_before_the_upgrade() {
    let stage = Stage::start().await;
    let gathering = stage.gathering("ada").await;
    let asking = Asking::bearer(&superuser());
    for from in [
        "", "-1", "soon", "1.5", ":3", "abc:", "abc:x", "1&from=2", "%2B4",
    ] {
        for path in [path(gathering), DASHBOARD.to_owned()] {
            let path = format!("{path}?from={from}");
            assert_eq!(status(&stage, &path, &asking).await, 422, "{path}");
        }
    }
}

#[tokio::test]
async fn one_caller_may_open_only_so_many_streams() {
    let stage = Stage::with(Limits {
        connections_per_caller_max: 2,
        ..Limits::default()
    })
    .await;
    let (ada, ben) = (Asking::bearer(&user("ada")), Asking::bearer(&user("ben")));
    let first = stage.connect_as(DASHBOARD, &ada).await;
    let _second = stage.connect_as(DASHBOARD, &ada).await;
    assert_eq!(status(&stage, DASHBOARD, &ada).await, 429);
    assert_eq!(status(&stage, DASHBOARD, &ben).await, 101);
    drop(first);
    while status(&stage, DASHBOARD, &ada).await == 429 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn leaving_the_team_ends_the_stream_before_anything_that_came_after() {
    let stage = Stage::start().await;
    let gathering = stage.gathering("ada").await;
    stage.team(gathering, "sam", Some(DoorRole::Steward)).await;
    stage.team(gathering, "sue", Some(DoorRole::Steward)).await;
    let mut sam = stage
        .connect_as(&path(gathering), &Asking::bearer(&user("sam")))
        .await;
    let mut sue = stage
        .connect_as(&path(gathering), &Asking::bearer(&user("sue")))
        .await;
    let mut replaying = stage
        .connect_as(
            &format!("{}?from=earliest", path(gathering)),
            &Asking::bearer(&user("sam")),
        )
        .await;
    replaying.until("caught_up").await;
    sam.expect("initial_data").await;
    sue.expect("initial_data").await;
    stage.team(gathering, "sam", None).await;
    stage.register(gathering, "ben").await;
    assert_eq!(sue.next().await["update_type"], "service_team_changed");
    sue.expect("participant_registered").await;
    assert_eq!(sam.closed().await, Some(4403));
    assert_eq!(replaying.closed().await, Some(4403));
    let again = Asking::bearer(&user("sam"));
    assert_eq!(status(&stage, &path(gathering), &again).await, 404);
}

#[tokio::test]
async fn somebody_who_left_and_came_back_may_replay_over_it() {
    let stage = Stage::start().await;
    let gathering = stage.gathering("ada").await;
    stage.team(gathering, "sam", Some(DoorRole::Steward)).await;
    stage.team(gathering, "sam", None).await;
    stage
        .team(gathering, "sam", Some(DoorRole::Supervisor))
        .await;
    let path = format!("{}?from=earliest", path(gathering));
    let mut sam = stage.connect_as(&path, &Asking::bearer(&user("sam"))).await;
    assert_eq!(sam.until("caught_up").await.len(), 5);
}

#[tokio::test]
async fn an_expired_token_ends_the_stream_with_4401() {
    let stage = Stage::start().await;
    // Inside the leeway for the clocks of others, for the fraction of a second that is left of it.
    let expiring = claims("ada", &[]);
    let expiring = doorbook::auth::Claims {
        exp: (Timestamp::now().0 / 1_000_000 - doorbook::auth::LEEWAY_SECONDS + 1).into(),
        ..expiring
    };
    let mut client = stage
        .connect_as(DASHBOARD, &Asking::bearer(&token(&expiring)))
        .await;
    client.expect("initial_data").await;
    assert!(client.expect("auth_expiring").await["expires_at"].is_string());
    assert_eq!(client.closed().await, Some(4401));
}

#[tokio::test]
async fn a_token_is_renewed_in_place_by_the_same_caller_only() {
    let stage = Stage::start().await;
    let gathering = stage.gathering("ada").await;
    let mut short = claims("ada", &[]);
    short.exp = (Timestamp::now().0 / 1_000_000 + 30).into();
    let mut client = stage
        .connect_as(&path(gathering), &Asking::bearer(&token(&short)))
        .await;
    client.expect("initial_data").await;
    client.expect("auth_expiring").await;
    client
        .send(json!({"type": "auth", "token": user("eve")}))
        .await;
    assert_eq!(client.expect("error").await["code"], "other_subject");
    let mut elsewhere = claims("ada", &[]);
    elsewhere.event_id = Some(GatheringId::generate());
    elsewhere.door_role = Some(DoorRole::Steward);
    client
        .send(json!({"type": "auth", "token": token(&elsewhere)}))
        .await;
    assert_eq!(client.expect("error").await["code"], "not_allowed");
    client
        .send(json!({"type": "auth", "token": user("ada")}))
        .await;
    client.send(ping(1)).await;
    client.expect("pong").await;
    let mut again = claims("ada", &[]);
    again.exp = (Timestamp::now().0 / 1_000_000 + 31).into();
    client
        .send(json!({"type": "auth", "token": token(&again)}))
        .await;
    client.expect("auth_expiring").await;
}

#[tokio::test]
async fn a_stopping_server_sends_everybody_away_with_1012() {
    let stage = Stage::start().await;
    let gathering = stage.gathering("ada").await;
    let mut clients = Vec::new();
    for n in 0..8 {
        let path = if n % 2 == 0 {
            path(gathering)
        } else {
            DASHBOARD.to_owned()
        };
        let mut client = stage.connect(&path).await;
        client.expect("initial_data").await;
        clients.push(client);
    }
    let closings =
        futures_util::future::join_all(clients.into_iter().map(|client| client.closed()));
    let ((), codes) = tokio::join!(stage.streams.drain(Duration::from_millis(100)), closings);
    assert_eq!(codes, vec![Some(1012); 8]);
    assert_eq!(stage.streams.connections(), 0);
    assert_eq!(
        status(&stage, DASHBOARD, &Asking::bearer(&superuser())).await,
        503
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_takes_nothing_is_dropped_and_nobody_else_notices() {
    let stage = Stage::with(Limits {
        write_stall: Duration::from_millis(200),
        ..Limits::default()
    })
    .await;
    let gathering = stage.gathering("ada").await;
    for n in 0..200 {
        stage.register(gathering, &format!("guest-{n}")).await;
    }
    let mut stuck = stage.connect_narrow(&path(gathering)).await;
    stuck.expect("initial_data").await;
    let mut reading = stage.connect(&path(gathering)).await;
    reading.expect("initial_data").await;
    // It asks and never listens, until the kernel holds no more for it.
    while stage.streams.connections() == 2 {
        for n in 0..200 {
            let name = format!("guest-{n}");
            let offset = stage.check_in(gathering, &name).await;
            assert_eq!(reading.expect("checkin_update").await["offset"], offset);
            let offset = stage.check_out(gathering, &name).await;
            assert_eq!(reading.expect("checkout_update").await["offset"], offset);
        }
    }
    assert_eq!(stage.streams.connections(), 1);
}
