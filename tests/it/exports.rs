//! Histories as files: what an independent reader of CSV and XLSX finds in them is what the pages say, people's
//! words are never formulas, and a file ends with the checkpoint that it was taken at.

use std::io::Cursor;

use calamine::{Data, Reader as _, Xlsx};
use doorbook::{
    events::{ids::GatheringId, log::Log, time::Timestamp},
    projections::integrity::Checkpoint,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    harness::{Answer, TestServer, User, ann, answer, auditor, root, stu, sue},
    history::{Night, log},
    naive,
};

pub(crate) const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// The columns that a file has when none are chosen, and where an entry has them.
pub(crate) const COLUMNS: [(&str, &str); 28] = [
    ("offset", "/offset"),
    ("event_id", "/event_id"),
    ("participant_id", "/participant_id"),
    ("event_pax_id", "/event_pax_id"),
    ("type", "/type"),
    ("outcome", "/outcome"),
    ("code", "/code"),
    ("occurred_at", "/occurred_at"),
    ("recorded_at", "/recorded_at"),
    ("actor_id", "/actor/id"),
    ("actor_name", "/actor/name"),
    ("actor_role", "/actor/role"),
    ("gate", "/gate"),
    ("device", "/device"),
    ("device_seq", "/device_seq"),
    ("scan_id", "/scan_id"),
    ("mode", "/mode"),
    ("reason", "/reason"),
    ("undone_by", "/undone_by"),
    ("undoes", "/undoes"),
    ("team_member", "/team_member/user_id"),
    ("team_member_role", "/team_member/door_role"),
    ("door_token", "/door_token/jti"),
    ("door_token_name", "/door_token/name"),
    ("door_token_role", "/door_token/door_role"),
    ("door_token_expires_at", "/door_token/expires_at"),
    ("accessed", "/accessed/what"),
    ("accessed_format", "/accessed/format"),
];

/// A file read by somebody else's code: header, rows, and what the lines at its end say.
pub(crate) struct Table {
    header: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
    remarks: Vec<String>,
}

impl Table {
    pub(crate) fn of(text: &str) -> Self {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let strings = |record: &csv::StringRecord| record.iter().map(str::to_owned).collect();
        let header = strings(reader.headers().unwrap());
        // A record with another number of fields is an error of this reader's.
        let records: Vec<Vec<String>> = (reader.records())
            .map(|record| strings(&record.unwrap()))
            .collect();
        let (remarks, rows): (Vec<_>, _) =
            (records.into_iter()).partition(|record: &Vec<String>| record[0].starts_with('#'));
        let remarks = (remarks.into_iter())
            .map(|record| record[0].strip_prefix('#').unwrap().trim_start().to_owned())
            .collect();
        Self {
            header,
            rows,
            remarks,
        }
    }

    fn column(&self, name: &str) -> Vec<&str> {
        let at = self
            .header
            .iter()
            .position(|header| header == name)
            .unwrap();
        self.rows.iter().map(|row| row[at].as_str()).collect()
    }

    /// The remarks after `note:` are the signed note, line by line.
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        let begins = self
            .remarks
            .iter()
            .position(|line| line == "note:")
            .unwrap();
        let note = self.remarks[begins + 1..].join("\n") + "\n";
        Checkpoint::peek(&note).expect("a checkpoint")
    }
}

pub(crate) async fn get(
    server: &TestServer,
    user: &User,
    path: &str,
    query: &[(&str, &str)],
) -> Answer {
    let request = server.request(Method::GET, path).query(query);
    answer(request.bearer_auth(&user.0)).await
}

async fn sheets(server: &TestServer, path: &str, query: &[(&str, &str)]) -> Xlsx<Cursor<Vec<u8>>> {
    let request = server.request(Method::GET, path).query(query);
    let response = request.bearer_auth(&auditor().0).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], XLSX);
    Xlsx::new(Cursor::new(response.bytes().await.unwrap().to_vec())).unwrap()
}

pub(crate) fn history(gathering: GatheringId) -> String {
    format!("/api/events/{gathering}/history/")
}

/// As a CSV cell shows it.
fn shown(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// A night with a little of everything in it.
async fn night() -> (TestServer, Night) {
    let server = TestServer::start().await;
    let mut night = Night::new(&server, 20).await;
    for _ in 0..120 {
        night.step(&server).await;
    }
    let expires_at = Timestamp::now().plus_seconds(3_600).to_string();
    let body = json!({"name": "Door, \"north\"", "door_role": "steward", "expires_at": expires_at});
    let path = format!("/api/events/{}/door-tokens/", night.gala);
    server.post(&ann(), &path, body).await.is(201);
    (server, night)
}

#[tokio::test]
async fn a_csv_file_says_what_the_pages_say_and_ends_with_its_checkpoint() {
    let (server, night) = night().await;
    let all = log(&server).await;
    let here = night.gala.to_string();
    let of_gala: Vec<_> = all
        .iter()
        .filter(|entry| entry["event_id"] == here)
        .collect();
    let file = get(
        &server,
        &auditor(),
        &history(night.gala),
        &[("format", "csv")],
    )
    .await;
    assert_eq!(file.status, 200, "{}", file.text);
    assert!(file.header("content-type").unwrap().starts_with("text/csv"));
    let head = all.len();
    assert_eq!(
        file.header("content-disposition").unwrap(),
        format!("attachment; filename=\"doorbook-gala-2026-history-to-{head}.csv\"")
    );
    assert!(
        !file.text.replace("\r\n", "").contains('\n'),
        "RFC 4180 ends lines with CRLF"
    );
    let table = Table::of(&file.text);
    assert_eq!(table.header, COLUMNS.map(|(name, _)| name));
    assert_eq!(table.rows.len(), of_gala.len());
    for (row, entry) in table.rows.iter().zip(&of_gala) {
        let expected = COLUMNS.map(|(_, place)| shown(entry.pointer(place)));
        assert_eq!(row[..], expected, "{entry}");
    }
    assert_eq!(table.remarks[0], "checkpoint");
    assert!(table.remarks.contains(&format!("rows: {}", of_gala.len())));
    assert!(table.remarks.contains(&format!("offset: {head}")));
    assert!(table.remarks.contains(&"time zone: UTC".to_owned()));
    assert_eq!(table.checkpoint().size, head as u64);
    server.stop().await;
}

#[tokio::test]
async fn an_ndjson_file_is_the_pages_and_its_last_line_the_checkpoint() {
    let (server, night) = night().await;
    let all = log(&server).await;
    let query = [("format", "ndjson"), ("gate", "south"), ("after", "9")];
    let file = get(&server, &root(), "/api/history/", &query).await;
    assert_eq!(file.header("content-type"), Some("application/x-ndjson"));
    let mut lines: Vec<Value> = (file.text.lines())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let last = lines.pop().unwrap()["checkpoint"].clone();
    let expected: Vec<Value> = (all.iter())
        .filter(|entry| entry["gate"] == "south" && entry["offset"].as_u64().unwrap() > 9)
        .cloned()
        .collect();
    assert!(!expected.is_empty());
    assert_eq!(lines, expected);
    assert_eq!(
        (&last["rows"], &last["offset"]),
        (&json!(lines.len()), &json!(all.len()))
    );
    assert_eq!(last["limited"], Value::Null);
    let note = Checkpoint::peek(last["note"].as_str().unwrap()).unwrap();
    assert_eq!(note.size, all.len() as u64);

    let query = [
        ("format", "ndjson"),
        ("columns", "gate,offset"),
        ("trailer", "false"),
        ("limit", "3"),
    ];
    let chosen = get(&server, &sue(), &history(night.gala), &query).await;
    let lines: Vec<&str> = chosen.text.lines().collect();
    assert_eq!(lines.len(), 3, "{}", chosen.text);
    assert_eq!(lines[0], r#"{"gate":null,"offset":1}"#);
    server.stop().await;
}

#[tokio::test]
async fn a_file_says_when_its_limit_left_rows_out_and_an_empty_cell_alone_is_a_record() {
    let (server, night) = night().await;
    let all = log(&server).await;
    let events: Vec<_> = (all.iter())
        .filter(|entry| entry["event_id"] == night.gala.to_string())
        .collect();
    let path = history(night.gala);
    for (limit, limited) in [(events.len(), false), (events.len() - 1, true)] {
        let limit = limit.to_string();
        let ask = [("format", "csv"), ("columns", "gate"), ("limit", &limit)];
        // What is asked for leaves a record of its own; a supervisor's page would not.
        let until = events.last().unwrap()["recorded_at"].as_str().unwrap();
        let until = Timestamp(Timestamp::parse(until).unwrap().0 + 1).to_string();
        let query = [ask.as_slice(), &[("until", &until)]].concat();
        let table = Table::of(&get(&server, &sue(), &path, &query).await.text);
        assert_eq!(table.rows.len().to_string(), limit);
        assert!(table.rows.iter().any(|row| row[0].is_empty()));
        assert_eq!(
            table.remarks[2] == "limited: true",
            limited,
            "{:?}",
            table.remarks
        );
        let mut query = query;
        query[0].1 = "ndjson";
        let file = get(&server, &sue(), &path, &query).await.text;
        let last: Value = serde_json::from_str(file.lines().last().unwrap()).unwrap();
        let said = &last["checkpoint"]["limited"];
        assert_eq!(*said == true, limited, "{last}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_workbook_has_the_same_rows_with_numbers_and_dates_and_a_sheet_for_the_checkpoint() {
    let (server, night) = night().await;
    let path = history(night.gala);
    let table = Table::of(
        &get(&server, &auditor(), &path, &[("format", "csv")])
            .await
            .text,
    );
    let mut book = sheets(&server, &path, &[("format", "xlsx")]).await;
    assert_eq!(book.sheet_names(), ["History", "Checkpoint"]);
    let sheet = book.worksheet_range("History").unwrap();
    let mut rows = sheet.rows();
    let header: Vec<String> = rows
        .next()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(header[0], "offset");
    assert_eq!(header[8], "recorded_at (UTC)");
    let rows: Vec<&[Data]> = rows.collect();
    // And that the first file was taken.
    assert_eq!(rows.len(), table.rows.len() + 1);
    for (cells, expected) in rows.iter().zip(&table.rows) {
        for (at, expected) in expected.iter().enumerate() {
            let cell = cells.get(at).unwrap_or(&Data::Empty);
            match (COLUMNS[at].0, cell) {
                (_, Data::Empty) => assert_eq!(expected, ""),
                ("offset" | "undone_by" | "undoes", Data::Float(number)) => {
                    assert_eq!(number.to_string(), *expected);
                }
                (name, Data::DateTime(date)) => {
                    assert!(name.ends_with("_at"), "{name}");
                    let moment = date.as_datetime().unwrap().and_utc();
                    let expected = chrono::DateTime::parse_from_rfc3339(expected).unwrap();
                    let apart = (moment - expected.to_utc()).num_milliseconds().abs();
                    assert!(apart <= 1, "{moment} {expected}");
                }
                (_, Data::String(text)) => assert_eq!(text, expected),
                (name, other) => panic!("{name} is {other:?}, and {expected} in CSV"),
            }
        }
    }
    let last = book.worksheet_range("Checkpoint").unwrap();
    let value = |name: &str| {
        let row = last
            .rows()
            .find(|row| row[0] == Data::String(name.to_owned()))
            .unwrap();
        row[1].to_string()
    };
    assert_eq!(value("rows"), rows.len().to_string());
    assert_eq!(value("time zone"), "UTC");
    let note = Checkpoint::peek(&value("note")).unwrap();
    assert_eq!(note.size.to_string(), value("offset"));
    server.stop().await;
}

#[tokio::test]
async fn what_people_typed_is_never_a_formula_and_always_comes_back() {
    let server = TestServer::start().await;
    let gathering = server.gathering(json!({"name": "=Gala"})).await;
    let words = [
        "=HYPERLINK(\"http://example.org\",\"x\")",
        "+1",
        "-1",
        "@SUM(A1)",
        "＝1",
        "＋1",
        "－1",
        "＠x",
        "a,b",
        "\"quoted\"",
        "it's",
        "<&>",
        "‏مرحبا‏",
        "_x0041_",
        "🎉 Zoë",
    ];
    for (number, word) in words.iter().enumerate() {
        let code = format!("C-{number:02}");
        let body = json!({"first_name": word, "last_name": word, "email": "zoe@example.org", "event_pax_id": code});
        let path = format!("/api/events/{gathering}/register/");
        server.post(&ann(), &path, body).await.is(201);
        server
            .check_in(&stu(), &code, json!({"gate": word, "device": word}))
            .await
            .is(200);
    }
    let columns = "event_pax_id,gate,device,first_name,last_name,email";
    let query = [("columns", columns), ("type", "participant_checked_in")];
    let csv = [&query[..], &[("format", "csv")]].concat();
    let file = get(&server, &auditor(), &history(gathering), &csv).await;
    let table = Table::of(&file.text);
    assert_eq!(table.header.join(","), columns);
    let xlsx = [&query[..], &[("format", "xlsx")]].concat();
    let mut book = sheets(&server, &history(gathering), &xlsx).await;
    assert!(book.worksheet_formula("History").unwrap().is_empty());
    let sheet = book.worksheet_range("History").unwrap();
    let rows: Vec<&[Data]> = sheet.rows().skip(1).collect();
    assert_eq!((table.rows.len(), rows.len()), (words.len(), words.len()));
    for (number, word) in words.iter().enumerate() {
        let is_guarded = word.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
        let guarded = if is_guarded {
            format!("'{word}")
        } else {
            (*word).to_owned()
        };
        assert!(
            table.rows[number][1..5].iter().all(|cell| *cell == guarded),
            "{word}"
        );
        let text = Data::String((*word).to_owned());
        assert!(
            rows[number][1..5].iter().all(|cell| *cell == text),
            "{word}"
        );
        assert_eq!(table.rows[number][5], "zoe@example.org");
    }
    server.stop().await;
}

#[tokio::test]
async fn times_are_told_in_the_zone_that_is_asked_for_and_the_zone_is_named() {
    let server = TestServer::start().await;
    let gathering = server.gathering(json!({})).await;
    // Either side of the hour that clocks in Berlin show twice.
    for (code, at) in [
        ("A", "2026-10-25T00:30:00Z"),
        ("B", "2026-10-25T01:30:00.250Z"),
    ] {
        server.register(gathering, code).await;
        let scan = json!({"code": code, "direction": "in", "scan_id": code, "mode": "offline_fact", "occurred_at": at});
        server
            .post(&stu(), &format!("/api/events/{gathering}/scan/"), scan)
            .await
            .is(200);
    }
    let query = [
        ("type", "participant_checked_in"),
        ("columns", "occurred_at"),
        ("tz", "Europe/Berlin"),
        ("bom", "true"),
    ];
    let csv = [&query[..], &[("format", "csv")]].concat();
    let file = get(&server, &sue(), &history(gathering), &csv).await;
    let text = file
        .text
        .strip_prefix('\u{feff}')
        .expect("a byte order mark");
    let table = Table::of(text);
    assert_eq!(
        table.column("occurred_at (Europe/Berlin)"),
        ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00.250+01:00"]
    );
    assert!(
        table
            .remarks
            .contains(&"time zone: Europe/Berlin".to_owned())
    );
    let xlsx = [&query[..3], &[("format", "xlsx")]].concat();
    let mut book = sheets(&server, &history(gathering), &xlsx).await;
    let sheet = book.worksheet_range("History").unwrap();
    assert_eq!(
        sheet.get((0, 0)).unwrap().to_string(),
        "occurred_at (Europe/Berlin)"
    );
    for (row, time) in [(1, "2026-10-25 02:30:00"), (2, "2026-10-25 02:30:00.250")] {
        let cell = sheet.get((row, 0)).unwrap();
        let Data::DateTime(date) = cell else {
            panic!("{cell:?}")
        };
        assert_eq!(date.as_datetime().unwrap().to_string(), time);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_was_erased_has_no_name_in_any_row_before_or_after() {
    let mut people = Vec::new();
    let server = TestServer::start_with(|config| {
        let (log, _) = Log::open(&config.data_dir).unwrap();
        let mut history = naive::History::new(log);
        for at in 0..400 {
            history.take(&naive::Step {
                kind: u8::try_from(at * 8 % 21).unwrap(),
                gathering: at / 21 % 3,
                participant: at * 13 % 50,
                gate: at % 3,
                back: at % 6,
            });
        }
        history.settle();
        people.extend((history.naive.values()).flat_map(|gathering| gathering.people.clone()));
        tokio::task::block_in_place(|| history.log.close().unwrap());
    })
    .await;
    assert!(
        people.iter().any(|person| person.erased) && people.iter().any(|person| !person.erased)
    );
    let query = [
        ("format", "csv"),
        ("columns", "participant_id,first_name,last_name,email"),
    ];
    let table = Table::of(&get(&server, &auditor(), "/api/history/", &query).await.text);
    for person in people {
        let id = person.subject.participant.to_string();
        let clear = &person.person;
        let names = match person.erased {
            true => [""; 3],
            false => [clear.first_name.as_str(), &clear.last_name, &clear.email],
        };
        let rows: Vec<_> = table.rows.iter().filter(|row| row[0] == id).collect();
        assert!(!rows.is_empty());
        for row in rows {
            assert_eq!(row[1..], names, "{id}");
        }
    }
    server.stop().await;
}
