//! The command line as people and scripts use it: the real binary, its exit codes, its two streams, against a
//! server process and against a closed directory.

use std::{
    io::{BufRead as _, BufReader, Lines, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

const LIST: &str = "first_name,last_name,email,code\n\
    Zoë,Invented,zoe@example.org,CLI-1\n\
    Émile,Imaginary,emile@example.org,CLI-2\n";

#[test]
fn exit_codes_tell_usage_from_what_cannot_be_opened_or_reached() {
    let dir = TempDir::new().unwrap();
    let missing = dir.path().join("missing");
    for (expected, arguments) in [
        (0, vec!["--help"]),
        (2, vec!["no-such-command"]),
        (2, vec!["history"]),
        (
            2,
            vec!["history", "--data", "x", "--server", "http://127.0.0.1:1"],
        ),
        (2, vec!["projections", "--server", "ftp://127.0.0.1:1"]),
        (
            2,
            vec![
                "token",
                "--sub",
                "x",
                "--event",
                "not-an-id",
                "--door-role",
                "steward",
            ],
        ),
        (3, vec!["projections", "--server", "http://127.0.0.1:1"]),
        (3, vec!["history", "--data", missing.to_str().unwrap()]),
        (3, vec!["verify", "--data", missing.to_str().unwrap()]),
    ] {
        let output = doorbook(&arguments, Some("token"));
        assert_eq!(
            output.status.code(),
            Some(expected),
            "{arguments:?}: {}",
            stderr(&output)
        );
    }
    assert!(
        !missing.exists(),
        "looking at a directory that is not there must not make it"
    );
}

#[test]
fn a_running_server_is_asked_imported_into_followed_and_rebuilt() {
    let evening = Evening::new();
    let server = Serving::start(&evening.data);
    let gathering = server.create_gathering(&evening.token);
    let ask = |arguments: &[&str]| {
        let place = ["--server", server.url.as_str()];
        doorbook(&[arguments, &place].concat(), Some(&evening.token))
    };
    let report = json(&ask(&[
        "import",
        "--event",
        &gathering,
        "--json",
        &evening.list,
    ]));
    let rejected = report["rejected"].as_array().unwrap();
    assert_eq!((&report["accepted"], rejected.len()), (&2.into(), 0));

    let history = ask(&["history", "--event", &gathering, "--json"]);
    assert_eq!(said(&history).lines().count(), 3);
    let one = ask(&[
        "history",
        "--participant",
        "CLI-2",
        "--type",
        "participant_registered",
    ]);
    assert!(
        said(&one).contains("CLI-2 by me as superuser"),
        "{}",
        said(&one)
    );
    let tail = ask(&["tail", "--from", "1", "--once", "--json"]);
    // The two guests, and that somebody reads the log.
    assert_eq!(said(&tail).lines().count(), 3);
    assert_eq!(said(&ask(&["tail", "--once"])), "");
    assert!(said(&ask(&["projections"])).contains("participants"));
    let rebuilt = ask(&["rebuild-projection", "--all"]);
    assert_eq!(rebuilt.status.code(), Some(0), "{}", stderr(&rebuilt));

    let without_token = doorbook(&["history", "--server", &server.url], Some("nonsense"));
    assert_eq!(without_token.status.code(), Some(1));
    let held = doorbook(&["history", "--data", evening.data()], None);
    assert_eq!(held.status.code(), Some(3));
    assert!(stderr(&held).contains("--server"), "{}", stderr(&held));
    server.stop();
}

#[test]
fn a_closed_directory_reads_the_same_as_its_server_did() {
    let evening = Evening::new();
    let server = Serving::start(&evening.data);
    let gathering = server.create_gathering(&evening.token);
    let import = ["import", "--event", &gathering, "--json", &evening.list];
    let history = ["history", "--event", &gathering, "--json"];
    let at_server = ["--server", server.url.as_str()];
    let token = Some(evening.token.as_str());
    assert_eq!(
        json(&doorbook(&[&import[..], &at_server].concat(), token))["accepted"],
        2
    );
    let from_server = said(&doorbook(&[&history[..], &at_server].concat(), token));
    server.stop();

    let here = ["--data", evening.data()];
    let again = json(&doorbook(&[&import[..], &here].concat(), None));
    assert_eq!(again["accepted"], 0, "the same list again adds nothing");
    assert_eq!(
        said(&doorbook(&[&history[..], &here].concat(), None)),
        from_server
    );
    for (expected, command) in [
        (0, vec!["tail", "--from", "earliest"]),
        (0, vec!["rebuild-projection", "participants"]),
        (0, vec!["projections"]),
        (0, vec!["verify"]),
        (2, vec!["rebuild-projection", "nothing"]),
    ] {
        let output = doorbook(&[&command[..], &here].concat(), None);
        assert_eq!(
            output.status.code(),
            Some(expected),
            "{command:?}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn no_name_and_no_address_is_in_clear_anywhere_under_the_data_directory() {
    let evening = Evening::new();
    let server = Serving::start(&evening.data);
    let gathering = server.create_gathering(&evening.token);
    server.stop();
    let here = ["--data", evening.data()];
    let import = [&["import", "--event", &gathering, &evening.list][..], &here].concat();
    assert_eq!(doorbook(&import, None).status.code(), Some(0));
    let rebuild = [&["rebuild-projection", "--all"][..], &here].concat();
    assert_eq!(doorbook(&rebuild, None).status.code(), Some(0));

    let in_clear = |needle: &str| {
        files_under(&evening.data).into_iter().find(|path| {
            let bytes = std::fs::read(path).unwrap();
            bytes
                .windows(needle.len())
                .any(|window| window == needle.as_bytes())
        })
    };
    for needle in [
        "Imaginary",
        "Invented",
        "Zoë",
        "emile@example.org",
        "zoe@example",
    ] {
        assert_eq!(in_clear(needle), None, "{needle} is in clear");
    }
    assert!(
        in_clear("Flipped").is_some(),
        "the search finds what is there"
    );
}

#[test]
fn verify_names_what_it_covered_and_fails_on_a_flipped_bit() {
    let evening = Evening::new();
    let server = Serving::start(&evening.data);
    server.create_gathering(&evening.token);
    server.stop();

    let covered = json(&doorbook(
        &["verify", "--json", "--data", evening.data()],
        None,
    ));
    assert_eq!(
        (&covered["events"], &covered["witnessed"]),
        (&1.into(), &1.into())
    );
    assert_eq!(covered["views"].as_array().unwrap().len(), 4);

    flip_a_bit_of_the_gathering_name(&evening.data.join("log"));
    let damaged = doorbook(&["verify", "--data", evening.data()], None);
    assert_eq!(damaged.status.code(), Some(1), "{}", stderr(&damaged));
    assert!(
        stderr(&damaged).contains("offset 1"),
        "{}",
        stderr(&damaged)
    );
}

#[test]
fn a_demo_shows_a_crowd_stops_when_asked_and_goes_on_the_next_time() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("demo");
    for beginning in [
        "early birds are turned away",
        "goes on where it was left off",
    ] {
        let mut demo = Demo::start(&data);
        demo.read_until(beginning);
        let link = demo.read_until("/sign-in#link=");
        follow_twice(link.trim());
        let token = demo.read_until("export DOORBOOK_TOKEN=");
        demo.read_until("→ in");
        let (rest, log) = demo.stop();
        assert!(rest.contains("The doors rest:"), "{rest}");
        assert!(
            !rest.contains('\u{1b}'),
            "colours where there is no terminal"
        );
        let token = token.split('=').nth(1).unwrap().trim();
        assert!(!log.contains(token), "the token reached the log");
    }
    let verified = doorbook(&["verify", "--data", data.to_str().unwrap()], None);
    assert_eq!(verified.status.code(), Some(0), "{}", stderr(&verified));
}

/// As the page behind it does, in two browsers.
fn follow_twice(link: &str) {
    let (page, code) = link.split_once("#link=").unwrap();
    let session = page.replace("/sign-in", "/api/session");
    for _ in 0..2 {
        let mut signed_in = ureq::post(&session)
            .send_json(serde_json::json!({"link": code}))
            .unwrap();
        let who: Value = signed_in.body_mut().read_json().unwrap();
        assert_eq!(who["roles"], serde_json::json!(["superuser"]));
    }
}

#[test]
fn a_port_that_is_taken_is_said_with_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("demo");
    let output = doorbook(
        &[
            "demo",
            "--listen",
            &listen,
            "--data",
            data.to_str().unwrap(),
        ],
        None,
    );
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("--listen"), "{}", stderr(&output));
}

/// A data directory with a secret, a superuser's token, and an attendee list.
pub(crate) struct Evening {
    pub(crate) data: PathBuf,
    pub(crate) token: String,
    pub(crate) list: String,
    dir: TempDir,
}

impl Evening {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let data = dir.path().join("data");
        let list = dir.path().join("list.csv");
        std::fs::write(&list, LIST).unwrap();
        let mint = [
            "token",
            "--sub",
            "me",
            "--role",
            "superuser",
            "--data",
            data.to_str().unwrap(),
        ];
        let token = said(&doorbook(&mint, None)).trim().to_owned();
        Self {
            token,
            list: list.to_str().unwrap().to_owned(),
            data,
            dir,
        }
    }

    pub(crate) fn data(&self) -> &str {
        self.data.to_str().unwrap()
    }

    /// Where a test may put files of its own.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }
}

/// A server process on a free port.
pub(crate) struct Serving {
    process: Child,
    pub(crate) url: String,
    log: Lines<BufReader<std::process::ChildStderr>>,
}

impl Serving {
    pub(crate) fn start(data: &Path) -> Self {
        let mut process = command(&[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--log-format",
            "json",
            "--data",
        ])
        .arg(data)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = log
            .by_ref()
            .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap())
            .find_map(|line| line["address"].as_str().map(str::to_owned))
            .expect("the server says where it listens");
        Self {
            process,
            url: format!("http://{address}"),
            log,
        }
    }

    pub(crate) fn create_gathering(&self, token: &str) -> String {
        let body = r#"{"name": "Flipped", "start_date": "2026-05-01T18:00:00Z"}"#;
        let address = self.url.trim_start_matches("http://");
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        write!(
            stream,
            "POST /api/events/ HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let answer = std::io::read_to_string(stream).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let made: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"));
        made["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn stop(mut self) {
        terminate(&self.process);
        // To the end, so that a full pipe never keeps it from stopping.
        self.log.by_ref().for_each(drop);
        assert_eq!(self.process.wait().unwrap().code(), Some(0));
    }
}

struct Demo {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Demo {
    fn start(data: &Path) -> Self {
        let mut process = command(&[
            "demo",
            "--people",
            "40",
            "--speed",
            "200",
            "--listen",
            "127.0.0.1:0",
            "--seed",
            "5",
            "--data",
        ])
        .arg(data)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    fn read_until(&mut self, part: &str) -> String {
        self.lines
            .by_ref()
            .map(|line| line.unwrap())
            .find(|line| line.contains(part))
            .unwrap_or_else(|| panic!("the demo ended without {part:?}"))
    }

    /// The rest of what it showed, and its log.
    fn stop(mut self) -> (String, String) {
        terminate(&self.process);
        let rest = self
            .lines
            .map(|line| line.unwrap())
            .collect::<Vec<_>>()
            .join("\n");
        let log = std::io::read_to_string(self.process.stderr.take().unwrap()).unwrap();
        assert_eq!(self.process.wait().unwrap().code(), Some(0), "{log}");
        (rest, log)
    }
}

fn terminate(process: &Child) {
    let pid = rustix::process::Pid::from_child(process);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
}

/// The name stands in clear in the event's payload: gatherings are no persons.
fn flip_a_bit_of_the_gathering_name(log: &Path) {
    let mut flipped = 0;
    for path in files_under(log) {
        let mut bytes = std::fs::read(&path).unwrap();
        let places: Vec<usize> = bytes
            .windows(7)
            .enumerate()
            .filter(|(_, window)| *window == b"Flipped")
            .map(|(at, _)| at)
            .collect();
        for at in places {
            bytes[at] ^= 1;
            flipped += 1;
        }
        std::fs::write(&path, bytes).unwrap();
    }
    assert!(flipped > 0, "the event's bytes were not found");
}

fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                files.push(entry.path());
            }
        }
    }
    files
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorbook"));
    command.args(arguments).stdin(Stdio::null());
    for variable in [
        "DOORBOOK_TOKEN",
        "DOORBOOK_DATA",
        "DOORBOOK_JWT_SECRET",
        "DOORBOOK_CONFIG",
        "DOORBOOK_LOG",
    ] {
        command.env_remove(variable);
    }
    command
}

pub(crate) fn doorbook(arguments: &[&str], token: Option<&str>) -> Output {
    let mut command = command(arguments);
    if let Some(token) = token {
        command.env("DOORBOOK_TOKEN", token);
    }
    command.output().unwrap()
}

pub(crate) fn said(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn json(output: &Output) -> Value {
    serde_json::from_str(&said(output)).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
