//! Proofs as callers and auditors get them: over HTTP, checked by the program with nothing but a file and a
//! key, over restarts and kills. The trees themselves are tested where they are made.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};
use signed_note::{StandardVerifier, VerifierList};
use tempfile::TempDir;
use tlog_tiles::tlog;

use crate::{
    harness::{TestServer, User, ann, auditor, bob, root, stu, sue, with_roles},
    process::Process,
};

fn doorbook(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_doorbook"))
        .args(arguments)
        .env_remove("DOORBOOK_TOKEN")
        .env_remove("DOORBOOK_CHECKPOINT_KEY")
        .output()
        .unwrap()
}

#[track_caller]
fn ends(output: &Output, code: i32) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    String::from_utf8(output.stdout.clone()).unwrap() + &said
}

/// An auditor's folder: files, and nothing of the server's.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn keep(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

async fn text(server: &TestServer, user: &User, path: &str) -> String {
    let answer = server.get(user, path).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    answer.text
}

/// A checkpoint read by Cloudflare's libraries.
fn read_by_another(note: &str, key: &str) -> tlog_tiles::Checkpoint {
    let verifier = StandardVerifier::new(key.trim()).unwrap();
    let note = signed_note::Note::from_bytes(note.as_bytes()).unwrap();
    let known = VerifierList::new(vec![Box::new(verifier)]);
    assert_eq!(note.verify(&known).unwrap().0.len(), 1);
    tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_good_without_server_and_data_and_bad_when_anything_in_it_changes() {
    let server = TestServer::start().await;
    let gathering = server.gathering(json!({})).await;
    for n in 0..9 {
        server.register(gathering, &format!("P-{n}")).await;
    }
    let checked_in = server
        .check_in(&stu(), "P-4", json!({"gate": "North"}))
        .await;
    let (offset, folder) = (checked_in.offset(), Folder::new());
    let key = text(&server, &bob(), "/api/log/key").await;
    let proof = text(&server, &auditor(), &format!("/api/log/proof/{offset}")).await;
    let file = folder.keep("event.tlog-proof", &proof);
    let key_file = folder.keep("log.key", &key);
    server.stop().await;

    let good = ends(&doorbook(&["verify-proof", &file, "--key", &key_file]), 0);
    assert!(good.contains("participant_checked_in P-4 by stu"), "{good}");
    ends(&doorbook(&["verify-proof", &file, "--key", key.trim()]), 0);
    let said = ends(
        &doorbook(&["verify-proof", &file, "--key", key.trim(), "--json"]),
        0,
    );
    let said: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&said["offset"], &said["size"]),
        (&offset.into(), &offset.into())
    );

    // By hand, with somebody else's code.
    let (head, note) = proof.split_once("\n\n").unwrap();
    let checkpoint = read_by_another(note, &key);
    let mut lines = head.lines().skip(1);
    let record = lines.next().unwrap().strip_prefix("extra ").unwrap();
    let record = base64_of(record);
    assert_eq!(lines.next(), Some(format!("index {}", offset - 1).as_str()));
    let hashes = lines
        .map(|line| tlog::Hash::parse_hash(line).unwrap())
        .collect();
    let leaf = tlog::record_hash(&record);
    let size = checkpoint.size();
    tlog::check_record(&hashes, size, *checkpoint.hash(), offset - 1, leaf).unwrap();
    assert!(!String::from_utf8_lossy(&record).contains("Zoë"));

    let other_key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    ends(&doorbook(&["verify-proof", &file, "--key", other_key]), 1);
    ends(&doorbook(&["verify-proof", &file, "--key", "no key"]), 2);
    ends(
        &doorbook(&["verify-proof", "no/such/file", "--key", key.trim()]),
        3,
    );
    let another = folder.keep("another.record", "another record");
    ends(
        &doorbook(&[
            "verify-proof",
            &file,
            "--key",
            key.trim(),
            "--record",
            &another,
        ]),
        1,
    );
    for wrong in [
        proof.replace(&format!("index {}", offset - 1), &format!("index {offset}")),
        proof.replace("\nextra ", "\nextra AA"),
        proof.replacen(&format!("\n{size}\n"), &format!("\n{}\n", size + 1), 1),
        proof.lines().take(4).collect::<Vec<_>>().join("\n"),
        String::new(),
    ] {
        let file = folder.keep("wrong.tlog-proof", &wrong);
        ends(&doorbook(&["verify-proof", &file, "--key", key.trim()]), 1);
    }
}

fn base64_of(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::prelude::BASE64_STANDARD.decode(text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_today_is_proven_to_begin_with_the_log_of_yesterday() {
    let server = TestServer::start().await;
    let gathering = server.gathering(json!({})).await;
    let (folder, ada) = (Folder::new(), auditor());
    let key = text(&server, &ada, "/api/log/key").await;
    let earlier = text(&server, &ada, "/api/log/checkpoint").await;
    let from = read_by_another(&earlier, &key);
    for n in 0..5 {
        server.register(gathering, &format!("P-{n}")).await;
    }
    let server = server.restart().await;
    assert_eq!(text(&server, &ada, "/api/log/key").await, key);
    let of_then = format!("/api/log/checkpoint?size={}", from.size());
    assert_eq!(text(&server, &ada, &of_then).await, earlier);
    let path = format!("/api/log/consistency?from={}", from.size());
    let proof = server.get(&ada, &path).await;
    proof.is(200);
    let to = read_by_another(proof.body["checkpoint"].as_str().unwrap(), &key);
    assert_eq!(to.size(), from.size() + 5);
    let hashes = proof.body["hashes"].as_array().unwrap().iter();
    let hashes = hashes.map(|hash| tlog::Hash::parse_hash(hash.as_str().unwrap()).unwrap());
    let hashes = hashes.collect();
    tlog::check_tree(&hashes, to.size(), *to.hash(), from.size(), *from.hash()).unwrap();

    let earlier = folder.keep("earlier", &earlier);
    let file = folder.keep("consistency.json", &proof.text);
    let check = |file: &str, earlier: &str| {
        doorbook(&[
            "verify-proof",
            file,
            "--key",
            key.trim(),
            "--checkpoint",
            earlier,
        ])
    };
    assert!(ends(&check(&file, &earlier), 0).contains("unchanged"));
    let later = folder.keep("later", proof.body["checkpoint"].as_str().unwrap());
    ends(&check(&file, &later), 1);
    let mut wrong = proof.body.clone();
    wrong["hashes"].as_array_mut().unwrap().pop();
    ends(
        &check(&folder.keep("wrong.json", &wrong.to_string()), &earlier),
        1,
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_ask_for_proofs_and_what_there_is_not() {
    let server = TestServer::start().await;
    let gathering = server.gathering(json!({})).await;
    server.register(gathering, "P-1").await;
    let other = with_roles("eve", &["creator"]);
    let whole = ["/api/log/checkpoint", "/api/log/consistency?from=1"];
    for path in whole {
        for user in [root(), auditor()] {
            server.get(&user, path).await.is(200);
        }
        for user in [ann(), sue(), stu(), bob()] {
            server.get(&user, path).await.is_problem(403, "forbidden");
        }
    }
    for user in [root(), ann(), sue(), stu(), bob()] {
        text(&server, &user, "/api/log/key/").await;
    }
    for user in [root(), auditor(), ann(), sue()] {
        text(&server, &user, "/api/log/proof/4").await;
    }
    server
        .get(&stu(), "/api/log/proof/4")
        .await
        .is_problem(403, "forbidden");
    for user in [bob(), other.clone()] {
        server
            .get(&user, "/api/log/proof/4")
            .await
            .is_problem(404, "not_in_log");
        server
            .get(&user, "/api/log/proof/99")
            .await
            .is_problem(404, "not_in_log");
    }
    for (path, status, code) in [
        // The fifth event is the record of what the auditor read above.
        ("/api/log/proof/6", 404, "not_in_log"),
        ("/api/log/proof/0", 404, "not_in_log"),
        ("/api/log/proof/4?size=3", 404, "not_in_log"),
        ("/api/log/proof/4?size=99", 404, "not_in_log"),
        ("/api/log/proof/first", 422, "invalid_field"),
        ("/api/log/proof/-1", 422, "invalid_field"),
        ("/api/log/proof/4?of=me", 422, "unknown_parameter"),
        ("/api/log/checkpoint?size=99", 404, "not_in_log"),
        ("/api/log/consistency", 422, "invalid_field"),
        ("/api/log/consistency?from=0", 422, "invalid_field"),
        ("/api/log/consistency?from=3&to=2", 422, "invalid_field"),
        ("/api/log/consistency?from=3&to=99", 404, "not_in_log"),
    ] {
        server.get(&auditor(), path).await.is_problem(status, code);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_key_stops_signatures_and_nothing_else() {
    let server = TestServer::start().await;
    let gathering = server.gathering(json!({})).await;
    server.register(gathering, "P-1").await;
    let key = text(&server, &bob(), "/api/log/key").await;
    let path = server.config.data_dir.join("integrity/key");
    let aside = path.with_extension("aside");
    fs::rename(&path, &aside).unwrap();
    let server = server.restart().await;
    for path in ["/api/log/checkpoint", "/api/log/key", "/api/log/proof/1"] {
        server
            .get(&auditor(), path)
            .await
            .is_problem(503, "nothing_proven");
    }
    server.get(&root(), "/readyz").await.is(200);
    server.check_in(&stu(), "P-1", json!({})).await.is(200);
    let views = server.get(&root(), "/api/admin/projections/").await;
    let views = views.is(200)["results"].as_array().unwrap().clone();
    let tree = views.iter().find(|view| view["name"] == "integrity");
    assert!(tree.unwrap()["error"].as_str().unwrap().contains("key"));
    fs::rename(&aside, &path).unwrap();
    let server = server.restart().await;
    assert_eq!(text(&server, &bob(), "/api/log/key").await, key);
    text(&server, &auditor(), "/api/log/proof/5").await;
    server.stop().await;
}

/// A closed directory with some events.
fn evening(data: &Path, people: u32) {
    let process = Process::start(data);
    let client = process.client();
    let id = client.create_gathering("Gala");
    for n in 0..people {
        let registered = client
            .register(&id, &format!("K-{n}-{}", &id[24..]))
            .unwrap();
        assert_eq!(registered.status, 201, "{}", registered.text);
    }
    // No time to save anything.
    process.kill();
}

fn data_dir() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let data = dir.path().join("data");
    (dir, data)
}

#[test]
fn kills_lose_no_key_no_proof_and_no_consistency_and_verify_covers_all() {
    let (_dir, data) = data_dir();
    let folder = Folder::new();
    let here = data.to_str().unwrap().to_owned();
    evening(&data, 20);
    let place = ["--data", here.as_str()];
    let earlier = ends(&doorbook(&[&["checkpoint"][..], &place].concat()), 0);
    let key = ends(
        &doorbook(&[&["checkpoint", "--verifier-key"][..], &place].concat()),
        0,
    );
    let earlier = folder.keep("earlier", &earlier);
    for _ in 0..3 {
        evening(&data, 10);
    }
    let proof = ends(&doorbook(&[&["proof", "7"][..], &place].concat()), 0);
    let proof = folder.keep("7.tlog-proof", &proof);
    ends(&doorbook(&["verify-proof", &proof, "--key", key.trim()]), 0);
    let grown = ends(
        &doorbook(&[&["proof", "--from", "21"][..], &place].concat()),
        0,
    );
    let grown = folder.keep("grown.json", &grown);
    let checked = [
        "verify-proof",
        &grown,
        "--key",
        key.trim(),
        "--checkpoint",
        &earlier,
    ];
    ends(&doorbook(&checked), 0);
    let verify = [&["verify", "--json", "--checkpoint", &earlier][..], &place].concat();
    let covered: Value = serde_json::from_slice(&doorbook(&verify).stdout).unwrap();
    assert_eq!(covered["events"], 54);
    assert_eq!(
        (&covered["hashed"], &covered["auditors_checkpoint"]),
        (&54.into(), &21.into())
    );
    assert!(covered["checkpoints"].as_u64().unwrap() >= 1);

    // One byte of what was kept of event 7.
    let hashes = data.join("integrity/hashes");
    let mut bytes = fs::read(&hashes).unwrap();
    bytes[(2 * 6 - 2) * 32] ^= 1;
    fs::write(&hashes, bytes).unwrap();
    let output = doorbook(&verify);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["first_bad_offset"], 7);
    assert!(ends(&output, 1).contains("offset 7"));
    // The server serves, and proves what is true.
    let proof = ends(&doorbook(&[&["proof", "7"][..], &place].concat()), 0);
    let proof = folder.keep("7.tlog-proof", &proof);
    ends(&doorbook(&["verify-proof", &proof, "--key", key.trim()]), 0);
    let rebuild = [&["rebuild-projection", "integrity"][..], &place].concat();
    ends(&doorbook(&rebuild), 0);
    ends(&doorbook(&verify), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_may_be_given_and_never_shows() {
    let folder = Folder::new();
    let private = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    let file = folder.keep("given.key", &format!("{private}\n"));
    let server = TestServer::start_with(|config| config.checkpoint_key = Some(file.into())).await;
    server.gathering(json!({})).await;
    let key = text(&server, &bob(), "/api/log/key").await;
    assert_eq!(
        key.trim(),
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    );
    let note = text(&server, &auditor(), "/api/log/checkpoint").await;
    assert_eq!(read_by_another(&note, &key).origin(), "PeterNeumann");
    let integrity = server.config.data_dir.join("integrity");
    assert!(!integrity.join("key").exists());
    assert!(!format!("{:?}", server.config).contains("AYEK"));
    server.stop().await;
}
