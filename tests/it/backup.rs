//! Backups of a real server by the real binary: consistent while it takes check-ins, interrupted anywhere,
//! damaged anywhere, and restored to what was acknowledged. Who is erased is in `backup_people`.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use serde_json::{Value, json};

use crate::{
    disk::LoopDisk,
    log_history::{copy_dir, data_dir, files_below},
    process::{Client, Process, SECRET, token},
};

const CLIENTS: usize = 8;
const DISK_MIB: u64 = 48;

#[test]
fn a_backup_taken_while_clients_check_in_restores_all_that_was_acknowledged_before() {
    let dir = data_dir();
    let (data, dest) = (dir.path().join("data"), dir.path().join("backup"));
    let server = Process::start(&data);
    let client = server.client();
    let gathering = client.create_gathering("Evening");
    let over = AtomicBool::new(false);
    let mut acknowledged = 0;
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (client, gathering, over) = (server.client(), &gathering, &over);
            scope.spawn(move || crowd(&client, gathering, number, over));
        }
        wait_for_events(&client, 60);
        for _ in 0..4 {
            acknowledged = head(&client);
            let report = backup(&server, &dest);
            assert!(report["head"].as_u64().unwrap() >= acknowledged);
            wait_for_events(&client, acknowledged + 20);
        }
        over.store(true, Ordering::Relaxed);
    });
    let last = backup(&server, &dest);
    let full = dir.path().join("full");
    assert_eq!(backup(&server, &full)["head"], last["head"]);
    assert!(last["segments"].as_u64().unwrap() > 1);
    let expected = client.log_after(0);
    assert!(acknowledged > 60);
    server.kill();

    for source in [&dest, &full] {
        let restored = source.with_extension("restored");
        let report = restore(source, &restored, &[]);
        assert_eq!(report["head"], last["head"]);
        assert_ne!(report["epoch"], last["epoch"]);
        let verified = doorbook(&["verify", "--data", text(&restored)]);
        assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));
        let server = Process::start(&restored);
        assert_eq!(server.client().log_after(0), expected);
        let old = format!("{}:5", last["epoch"].as_str().unwrap().replace('-', ""));
        assert_stale(&server, &gathering, &old);
        let answer = server.client().register(&gathering, "after").unwrap();
        assert_eq!(answer.status, 201, "it goes on: {}", answer.text);
        server.kill();
    }
}

#[test]
fn a_backup_that_is_killed_goes_on_and_half_files_go() {
    let dir = data_dir();
    let (data, dest) = (dir.path().join("data"), dir.path().join("backup"));
    let server = Process::start(&data);
    let gathering = people(&server.client(), 30);
    for path in [
        dest.clone(),
        dest.join("frames"),
        dest.join("manifest.json"),
    ] {
        let mut child = command(&["backup", "--server", &url(&server), text(&dest)])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while !path.exists() && child.try_wait().unwrap().is_none() {
            thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    fs::create_dir_all(dest.join("frames")).unwrap();
    fs::write(dest.join("frames/00000000000000000009.frames"), b"half").unwrap();
    fs::create_dir_all(dest.join("keys-99")).unwrap();
    fs::write(dest.join("keys-99/master"), b"half a key").unwrap();
    let head = head(&server.client());
    assert_eq!(backup(&server, &dest)["head"], head);
    assert!(!dest.join("keys-99").exists());
    assert!(!dest.join("frames/00000000000000000009.frames").exists());
    // Nothing new is a backup, too.
    assert_eq!(backup(&server, &dest)["added"], 0);
    let restored = dir.path().join("restored");
    assert_eq!(restore(&dest, &restored, &[])["head"], head);
    server.kill();
    let server = Process::start(&restored);
    let path = format!("/api/events/{gathering}/participants/?q=Visitor&limit=100");
    let found = server.client().get(&path).unwrap().json();
    assert_eq!(found["results"].as_array().unwrap().len(), 30);
}

#[test]
fn a_restore_that_stops_leaves_nothing_that_serves_and_is_run_again() {
    let dir = data_dir();
    let (data, dest) = (dir.path().join("data"), dir.path().join("backup"));
    let server = Process::start(&data);
    people(&server.client(), 40);
    backup(&server, &dest);
    people_more(&server.client(), 40);
    let head = backup(&server, &dest)["head"].clone();
    server.kill();
    let segment = last_segment(&dest);
    let whole = fs::read(&segment).unwrap();
    fs::write(&segment, &whole[..whole.len() - 1]).unwrap();
    let restored = dir.path().join("restored");
    let stopped = doorbook(&["restore", text(&dest), "--data", text(&restored)]);
    assert_eq!(stopped.status.code(), Some(1), "{}", said(&stopped));
    let refused = doorbook(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data",
        text(&restored),
    ]);
    assert_ne!(refused.status.code(), Some(0));
    assert!(
        said(&refused).contains("run it again"),
        "{}",
        said(&refused)
    );
    fs::write(&segment, &whole).unwrap();
    for _ in 0..3 {
        let mut child = command(&["restore", text(&dest), "--data", text(&restored)])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while !restored.join("log/db").exists() && child.try_wait().unwrap().is_none() {
            thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if !restored.join("restoring").exists() {
            fs::remove_dir_all(&restored).unwrap();
        }
    }
    assert_eq!(restore(&dest, &restored, &[])["head"], head);
    let verified = doorbook(&["verify", "--data", text(&restored)]);
    assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));
    let again = doorbook(&["restore", text(&dest), "--data", text(&restored)]);
    assert_eq!(again.status.code(), Some(2), "{}", said(&again));
    assert!(said(&again).contains("not empty"), "{}", said(&again));
}

#[test]
fn a_changed_byte_anywhere_in_a_backup_is_found_and_its_file_named() {
    let dir = data_dir();
    let (data, dest) = (dir.path().join("data"), dir.path().join("backup"));
    let server = Process::start(&data);
    people(&server.client(), 12);
    backup(&server, &dest);
    server.kill();
    let mut tried = 0;
    for file in files_below(&dest).unwrap() {
        if file == Path::new("lock") {
            continue;
        }
        let whole = fs::read(dest.join(&file)).unwrap();
        for at in [0, whole.len() / 2, whole.len() - 1] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(dest.join(&file), &changed).unwrap();
            let restored = dir.path().join(format!("restored-{tried}"));
            let output = doorbook(&["restore", text(&dest), "--data", text(&restored)]);
            let said = said(&output);
            assert_eq!(
                output.status.code(),
                Some(1),
                "{}: {at}: {said}",
                file.display()
            );
            let name = file.file_name().unwrap().to_str().unwrap();
            assert!(said.contains(name), "{}: {said}", file.display());
            if name.ends_with(".frames") {
                assert!(said.contains("offset "), "{said}");
            }
            tried += 1;
        }
        fs::write(dest.join(&file), &whole).unwrap();
    }
    assert!(tried >= 12, "manifest, frames, master key, keys: {tried}");
    restore(&dest, &dir.path().join("whole"), &[]);
}

#[test]
fn what_is_not_this_logs_backup_is_left_alone_and_only_superusers_may_copy() {
    let dir = data_dir();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    let server = Process::start(&one);
    people(&server.client(), 5);
    let dest = dir.path().join("backup");
    backup(&server, &dest);
    let held = doorbook(&["backup", "--data", text(&one), text(&dest)]);
    assert_eq!(held.status.code(), Some(3));
    assert!(said(&held).contains("--server"), "{}", said(&held));
    for path in [
        "/api/admin/backup",
        "/api/admin/backup/frames?up_to=1",
        "/api/admin/backup/keys",
        "/api/admin/backup/keys?file=master",
        "/api/admin/backup/erased",
    ] {
        assert_eq!(status_for(&server, path, "auditor"), 403, "{path}");
        assert_eq!(status_for(&server, path, "superuser"), 200, "{path}");
    }
    let names = "/api/admin/backup/keys?file=../witness";
    assert_eq!(status_for(&server, names, "superuser"), 422);
    let key = fs::read(one.join("keys/master")).unwrap();
    server.kill();
    let log_lines = fs::read(one.with_extension("said")).unwrap();
    for form in [key[7..39].to_vec(), hex::encode(&key[7..39]).into_bytes()] {
        let found = log_lines.windows(form.len()).any(|window| window == form);
        assert!(!found, "the master key is in a log line");
    }

    let other = Process::start(&two);
    people(&other.client(), 5);
    let refused = doorbook(&["backup", "--server", &url(&other), text(&dest)]);
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(said(&refused).contains("another history"));
    let foreign = dir.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("letter.txt"), "dear").unwrap();
    let refused = doorbook(&["backup", "--server", &url(&other), text(&foreign)]);
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    assert_eq!(
        files_below(&foreign).unwrap(),
        [PathBuf::from("letter.txt")]
    );
    let nameless = dir.path().join("nameless");
    fs::create_dir_all(nameless.join("keys-1")).unwrap();
    fs::write(nameless.join("keys-1/master"), "somebody's").unwrap();
    let refused = doorbook(&["backup", "--server", &url(&other), text(&nameless)]);
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    assert!(
        said(&refused).contains("manifest.json"),
        "{}",
        said(&refused)
    );
    assert!(nameless.join("keys-1/master").exists());
    for letter in ["frames/letter.txt", "keys-1/letter.txt", "keys-old"] {
        fs::write(dest.join(letter), "dear").unwrap();
        let refused = doorbook(&["backup", "--server", &url(&other), text(&dest)]);
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
        fs::remove_file(dest.join(letter)).unwrap();
    }
    other.kill();
    // A closed directory gives the same as its server.
    let here = doorbook(&["backup", "--data", text(&one), text(&dest), "--json"]);
    assert_eq!(here.status.code(), Some(0), "{}", said(&here));
}

#[test]
fn a_full_disk_is_said_and_the_next_run_goes_on() {
    let mut disk = match LoopDisk::create(DISK_MIB) {
        Ok(disk) => disk,
        Err(reason) => {
            println!("not run: {reason}");
            return;
        }
    };
    let dir = data_dir();
    let data = dir.path().join("data");
    let server = Process::start(&data);
    people(&server.client(), 20);
    let dest = disk.path().join("backup");
    backup(&server, &dest);
    people_more(&server.client(), 200);
    disk.fill();
    let refused = doorbook(&["backup", "--server", &url(&server), text(&dest)]);
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    assert!(said(&refused).contains("No space"), "{}", said(&refused));
    disk.free();
    let head = head(&server.client());
    assert_eq!(backup(&server, &dest)["head"], head);
    assert_eq!(
        restore(&dest, &dir.path().join("restored"), &[])["head"],
        head
    );
    server.kill();
    disk.unmount().unwrap();
}

/// Registers and admits until it is over.
fn crowd(client: &Client, gathering: &str, number: usize, over: &AtomicBool) {
    let mut next = 0;
    while !over.load(Ordering::Relaxed) {
        let code = format!("B{number}-{next}");
        assert_eq!(client.register(gathering, &code).unwrap().status, 201);
        let path = format!("/api/events/participants/{code}/check-in/");
        let answer = client.post(&path, Some(&format!("scan-{code}")), &json!({}));
        assert_eq!(answer.unwrap().status, 200);
        next += 1;
    }
}

pub(crate) fn people(client: &Client, count: usize) -> String {
    let gathering = client.create_gathering("Evening");
    for number in 0..count {
        let answer = client.register(&gathering, &format!("P-{number}")).unwrap();
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
    gathering
}

fn people_more(client: &Client, count: usize) {
    let gathering = client.create_gathering("Late");
    for number in 0..count {
        let answer = client.register(&gathering, &format!("L-{number}")).unwrap();
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
}

fn head(client: &Client) -> u64 {
    let state = client.get("/api/admin/backup").unwrap().json();
    state["head"].as_u64().unwrap()
}

fn wait_for_events(client: &Client, offset: u64) {
    while head(client) < offset {
        thread::yield_now();
    }
}

/// A cursor of the log that was copied is told that this is another.
fn assert_stale(server: &Process, gathering: &str, cursor: &str) {
    let mut stream = TcpStream::connect(server.address).unwrap();
    write!(
        stream,
        "GET /api/events/{gathering}/stream?from={cursor} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {}\r\n\r\n",
        token()
    )
    .unwrap();
    let (mut text, mut piece) = (String::new(), [0; 512]);
    while !text.contains("log_changed") {
        let read = stream.read(&mut piece).unwrap();
        assert!(read > 0, "no reset: {text}");
        text.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
}

fn status_for(server: &Process, path: &str, role: &str) -> u16 {
    let exp = chrono::Utc::now().timestamp() + 3600;
    let claims = json!({"sub": "somebody", "exp": exp, "roles": [role]});
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .new_agent();
    let request = agent.get(format!("http://{}{path}", server.address));
    let answer = request.header("Authorization", format!("Bearer {token}"));
    answer.call().unwrap().status().as_u16()
}

fn last_segment(dest: &Path) -> PathBuf {
    let frames = dest.join("frames");
    frames.join(files_below(&frames).unwrap().pop().unwrap())
}

pub(crate) fn backup(server: &Process, dest: &Path) -> Value {
    let output = doorbook(&["backup", "--server", &url(server), text(dest), "--json"]);
    json_of(&output)
}

pub(crate) fn restore(source: &Path, data: &Path, more: &[&str]) -> Value {
    let arguments = ["restore", text(source), "--data", text(data), "--json"];
    json_of(&doorbook(&[&arguments, more].concat()))
}

pub(crate) fn copied(from: &Path, name: &str) -> PathBuf {
    let to = from.with_file_name(name);
    copy_dir(from, &to).unwrap();
    to
}

pub(crate) fn json_of(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", said(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

pub(crate) fn doorbook(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorbook"));
    command
        .args(arguments)
        .env("DOORBOOK_TOKEN", token().trim_start_matches("Bearer "))
        .env("DOORBOOK_JWT_SECRET", SECRET)
        .stdin(Stdio::null());
    command
}

pub(crate) fn url(server: &Process) -> String {
    format!("http://{}", server.address)
}

pub(crate) fn said(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    format!("{}{stderr}", String::from_utf8_lossy(&output.stdout))
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
