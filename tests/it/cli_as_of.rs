//! The command line's questions about an evening as it is and as it was: the same from a server and from its
//! directory once that is closed, in numbers and as a picture.

use std::path::Path;

use serde_json::{Value, json};

use crate::cli::{Evening, Serving, doorbook, said, stderr};

/// Participants on the long list: more than a page holds.
const MANY: usize = 1_005;

struct Asked<'a> {
    place: [&'a str; 2],
    token: Option<&'a str>,
}

impl Asked<'_> {
    fn output(&self, arguments: &[&str]) -> std::process::Output {
        doorbook(&[arguments, &self.place].concat(), self.token)
    }

    fn said(&self, arguments: &[&str]) -> String {
        said(&self.output(arguments))
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let text = self.said(&[arguments, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{arguments:?}: {text}"))
    }

    fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
        told
    }
}

fn scan(server: &Serving, token: &str, code: &str, verb: &str, body: Value) {
    let url = format!("{}/api/events/participants/{code}/{verb}/", server.url);
    let answer = ureq::post(&url)
        .header("authorization", &format!("Bearer {token}"))
        .send_json(body)
        .unwrap();
    assert_eq!(answer.status(), 200);
}

#[test]
fn an_evening_as_it_was_reads_the_same_from_the_server_and_from_its_closed_directory() {
    let evening = Evening::new();
    let token = evening.token.as_str();
    let server = Serving::start(&evening.data);
    let url = server.url.clone();
    let gathering = server.create_gathering(token);
    let id = gathering.as_str();
    let served = Asked {
        place: ["--server", &url],
        token: Some(token),
    };
    served.said(&["import", "--event", id, &evening.list]);
    let at = |gate: &str, time: &str| json!({"gate": gate, "occurred_at": format!("2026-05-01T{time}Z")});
    scan(&server, token, "CLI-1", "check-in", at("north", "18:00:30"));
    scan(&server, token, "CLI-2", "check-in", at("<b>", "18:02:00"));
    scan(&server, token, "CLI-1", "check-out", json!({}));

    let questions: &[&[&str]] = &[
        &["gatherings", id],
        &["gatherings", id, "--as-of", "5"],
        &["gatherings"],
        &["participants", id, "--q", "imaginary"],
        &["participants", id, "--status", "inside", "--as-of", "4"],
        &["participant", "CLI-1"],
        &["participant", "CLI-1", "--as-of", "5"],
        &["arrivals", id],
        &["arrivals", id, "--bucket", "300", "--as-of", "4"],
        &["arrivals", id, "--since", "2026-05-01T18:01:00Z"],
    ];
    let answers: Vec<Value> = questions.iter().map(|asked| served.json(asked)).collect();
    let told: Vec<String> = questions.iter().map(|asked| served.said(asked)).collect();
    assert_eq!(answers[0]["inside_count"], 1);
    assert_eq!(answers[1]["inside_count"], 2);
    assert_eq!(answers[4]["event_pax_id"], "CLI-1");
    assert_eq!(answers[5]["checked_in"], false);
    assert_eq!(answers[6]["checked_in"], true);
    assert_eq!(answers[7]["total"], 2);
    assert_eq!(answers[8]["total"], 1);
    assert_eq!(answers[9]["gates"], json!(["<b>"]));
    assert!(told[6].contains("CLI-1 registered inside"), "{}", told[6]);
    assert!(told[7].contains("2026-05-01 18:00"), "{}", told[7]);
    let pictures = pictures(&served, id, evening.dir());
    server.stop();

    let closed = Asked {
        place: ["--data", evening.data()],
        token: None,
    };
    for (asked, (answer, told)) in questions.iter().zip(answers.iter().zip(&told)) {
        assert_eq!(&closed.json(asked), answer, "{asked:?}");
        assert_eq!(&closed.said(asked), told, "{asked:?}");
    }
    assert_eq!(self::pictures(&closed, id, evening.dir()), pictures);
}

/// As it is, as it was, a part of it, and by way of the history.
fn pictures(asked: &Asked<'_>, id: &str, dir: &Path) -> Vec<String> {
    let file = dir.join("arrivals.svg");
    let part = "2026-05-01T18:01:00Z";
    let drawings: &[&[&str]] = &[
        &["arrivals", id],
        &["arrivals", id, "--as-of", "4"],
        &["arrivals", id, "--since", part],
        &["history", "--event", id],
        &["history", "--event", id, "--since", part],
    ];
    let pictures: Vec<String> = (drawings.iter())
        .map(|arguments| {
            let plot = ["--plot", file.to_str().unwrap()];
            asked.said(&[*arguments, &plot].concat());
            let svg = std::fs::read_to_string(&file).unwrap();
            std::fs::remove_file(&file).unwrap();
            svg
        })
        .collect();
    assert!(pictures[0].starts_with("<svg") && pictures[0].contains("2 arrivals"));
    assert!(!pictures[0].contains("<b>") && pictures[0].contains("&lt;b&gt;"));
    assert!(pictures[1].contains("1 arrival ") && pictures[1].contains("offset 4"));
    assert!(!pictures[2].contains("north"));
    assert_eq!(pictures[3], pictures[0]);
    assert_eq!(pictures[4], pictures[2]);
    pictures
}

#[test]
fn a_moment_that_cannot_be_shown_is_refused_from_either_place_and_says_why() {
    let evening = Evening::new();
    let server = Serving::start(&evening.data);
    let url = server.url.clone();
    let gathering = server.create_gathering(&evening.token);
    let id = gathering.as_str();
    let served = Asked {
        place: ["--server", &url],
        token: Some(&evening.token),
    };
    served.said(&["import", "--event", id, &evening.list]);
    let closed = Asked {
        place: ["--data", evening.data()],
        token: None,
    };
    let refused = |asked: &Asked<'_>| {
        for ahead in ["4", "2999-01-01T00:00:00Z"] {
            for what in ["gatherings", "participants", "arrivals"] {
                let told = asked.fails(1, &[what, id, "--as-of", ahead]);
                assert!(told.contains("offset 3"), "{told}");
            }
        }
        asked.fails(1, &["gatherings", id, "--as-of", "2001-01-01T00:00:00Z"]);
        asked.fails(1, &["participant", "CLI-2", "--as-of", "2"]);
        asked.fails(1, &["participant", "nobody/../x"]);
        asked.fails(1, &["arrivals", "0197a7b0-0000-7000-8000-000000000000"]);
        asked.fails(2, &["gatherings", "--as-of", "1"]);
        asked.fails(2, &["participants", id, "--as-of", "yesterday"]);
        asked.fails(2, &["arrivals", id, "--bucket", "61"]);
        asked.fails(2, &["history", "--plot", "x.svg"]);
        asked.fails(
            2,
            &["history", "--event", id, "--gate", "x", "--plot", "x.svg"],
        );
        asked.fails(3, &["arrivals", id, "--plot", "missing/folder/x.svg"]);
    };
    refused(&served);
    server.stop();
    refused(&closed);
}

#[test]
fn a_list_of_several_pages_is_whole_and_of_one_moment() {
    let evening = Evening::new();
    let lines = (0..MANY).map(|n| format!("Ann,Number {n},n{n}@example.org,N-{n}\n"));
    let list = format!(
        "first_name,last_name,email,code\n{}",
        lines.collect::<String>()
    );
    std::fs::write(&evening.list, list).unwrap();
    let server = Serving::start(&evening.data);
    let url = server.url.clone();
    let gathering = server.create_gathering(&evening.token);
    let id = gathering.as_str();
    let served = Asked {
        place: ["--server", &url],
        token: Some(&evening.token),
    };
    served.said(&["import", "--event", id, &evening.list]);
    let last = (MANY + 1).to_string();
    let entry = served.json(&["history", "--event", id, "--after", &MANY.to_string()]);
    assert_eq!(entry["offset"].to_string(), last);
    let time = entry["recorded_at"].as_str().unwrap();
    scan(&server, &evening.token, "N-1004", "check-in", json!({}));
    let before = served.said(&["participants", id, "--json", "--as-of", &last]);
    assert_eq!(before.lines().count(), MANY);
    assert!(!before.contains("\"checked_in\":true"));
    let by_time = served.said(&["participants", id, "--json", "--as-of", time]);
    assert_eq!(by_time, before);
    let now = served.said(&["participants", id, "--json"]);
    assert_eq!(now.lines().count(), MANY);
    assert!(now.contains("\"checked_in\":true"));
    server.stop();
    let closed = Asked {
        place: ["--data", evening.data()],
        token: None,
    };
    let here = closed.said(&["participants", id, "--json", "--as-of", time]);
    assert_eq!(here, before);
}
