//! What "durable" means, seen from outside by `strace`: no answer to a command leaves before a sync of
//! the log that began after the command came in has ended; and a sync that fails is the last one.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::process::Process;

/// Commands in a row, on one connection.
const COMMANDS: usize = 30;
/// Syncs of each thread that succeed before all later ones fail: enough to open and to serve a while.
const SYNCS_BEFORE_FAILURE: u32 = 30;
/// Commands within which the failing sync must come.
const COMMANDS_MAX: usize = 500;

#[test]
fn no_answer_leaves_before_its_sync() {
    let Some(trial) = Trial::begin() else { return };
    let trace = trial.dir.path().join("trace");
    let watch = [
        "strace",
        "-f",
        "-y",
        "-s",
        "48",
        "-o",
        trace.to_str().unwrap(),
        "-e",
        "trace=fdatasync,read,recvfrom,recvmsg,readv,write,writev,sendto,sendmsg",
    ];
    let mut server = Process::spawn_under(&watch, &trial.data);
    server.wait_ready();
    let client = server.client();
    let gathering = client.create_gathering("Evening");
    for number in 0..COMMANDS {
        let answer = client.register(&gathering, &format!("D{number}")).unwrap();
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
    server.kill();

    let answered = check_trace(&fs::read_to_string(&trace).unwrap()).unwrap();
    assert!(
        answered > COMMANDS,
        "the trace shows {answered} answered commands of {COMMANDS} and one"
    );
}

#[test]
fn a_failed_sync_refuses_commands_until_a_restart_and_loses_nothing_acknowledged() {
    let Some(trial) = Trial::begin() else { return };
    let gathering = {
        let server = Process::start(&trial.data);
        let gathering = server.client().create_gathering("Evening");
        server.kill();
        gathering
    };
    let inject = format!("inject=fdatasync:error=EIO:when={SYNCS_BEFORE_FAILURE}+");
    let fail = [
        "strace",
        "-f",
        "-o",
        "/dev/null",
        "-e",
        "trace=fdatasync",
        "-e",
        &inject,
    ];
    let mut server = Process::spawn_under(&fail, &trial.data);
    server.wait_ready();
    let client = server.client();
    let mut acked = Vec::new();
    let refused = (0..COMMANDS_MAX).find_map(|number| {
        let code = format!("D{number}");
        let answer = client.register(&gathering, &code).unwrap();
        if answer.status == 201 {
            acked.push(code);
            return None;
        }
        Some(answer)
    });
    let refused = refused.expect("no sync failed");
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert_eq!(refused.content_type, "application/problem+json");
    assert!(
        !acked.is_empty(),
        "the sync failed before anything was acknowledged"
    );
    assert_eq!(client.register(&gathering, "later").unwrap().status, 503);
    assert_eq!(
        registered(&client.log_after(0)),
        acked,
        "reads go on, and show what was acknowledged"
    );
    // Whoever takes the whole log away is recorded, and that is not possible any more.
    let log = client.get("/api/log/").unwrap();
    assert_eq!(
        (log.status, log.json()["code"].as_str()),
        (503, Some("log_unavailable"))
    );
    server.kill();

    let server = Process::start(&trial.data);
    let client = server.client();
    let after = registered(&client.log_after(0));
    assert_eq!(after[..acked.len()], acked, "lost after the restart");
    assert_eq!(client.register(&gathering, "after").unwrap().status, 201);
}

struct Trial {
    dir: TempDir,
    data: PathBuf,
}

impl Trial {
    /// None, and a plain word, where there is no `strace` or it may not trace.
    fn begin() -> Option<Self> {
        if !can_trace() {
            println!("not run: strace is not installed or may not trace here");
            return None;
        }
        let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let data = dir.path().join("data");
        fs::create_dir(&data).unwrap();
        Some(Self { dir, data })
    }
}

/// Whether there is an `strace` that may trace.
pub(crate) fn can_trace() -> bool {
    Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Walks through the trace and returns the number of commands that were answered, each after a sync of
/// the log that lies between the command and its answer.
fn check_trace(trace: &str) -> Result<usize, String> {
    let (mut waiting, mut synced, mut answered) = (false, false, 0);
    let mut syncing: Vec<&str> = Vec::new();
    for line in trace.lines() {
        let Some((thread, call)) = line.split_once(' ') else {
            continue;
        };
        let call = call.trim_start();
        if call.contains("\"POST /api/") {
            if waiting {
                return Err(format!("two commands at once:\n{line}"));
            }
            (waiting, synced) = (true, false);
            // A sync that runs already began before this command and says nothing about it.
            syncing.clear();
        } else if is_sync_of_log(call) {
            if call.contains("<unfinished") {
                syncing.push(thread);
            } else {
                synced |= call.ends_with("= 0");
            }
        } else if call.starts_with("<... fdatasync resumed>") {
            let of_log = syncing.contains(&thread);
            syncing.retain(|one| *one != thread);
            synced |= of_log && call.ends_with("= 0");
        } else if call.contains("\"HTTP/1.1 ") && waiting {
            if !synced {
                return Err(format!("an answer left before its sync:\n{line}"));
            }
            (waiting, answered) = (false, answered + 1);
        }
    }
    Ok(answered)
}

/// Of the store's own file: the witness and the keys are synced too, and do not count.
fn is_sync_of_log(call: &str) -> bool {
    call.strip_prefix("fdatasync(")
        .and_then(|rest| rest.split_once('<'))
        .and_then(|(_, rest)| rest.split_once('>'))
        .is_some_and(|(path, _)| Path::new(path).ends_with("log/db"))
}

fn registered(entries: &[serde_json::Value]) -> Vec<String> {
    entries
        .iter()
        .filter(|entry| entry["type"] == "participant_registered")
        .map(|entry| entry["event_pax_id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_trace_with_an_early_answer_is_told_from_a_good_one() {
    let good = "7 read(9<socket:[1]>, \"POST /api/events/ HTTP/1.1\", 99) = 99\n\
                8 fdatasync(5</d/log/db> <unfinished ...>\n\
                7 epoll_wait(4, [], 1, 0) = 0\n\
                8 <... fdatasync resumed>) = 0\n\
                7 writev(9<socket:[1]>, [{\"HTTP/1.1 201 Created\", 9}], 1) = 9\n";
    assert_eq!(check_trace(good), Ok(1));
    let other_file = good.replace("log/db", "witness");
    let began_before: String = [1, 0, 2, 3, 4]
        .map(|index| format!("{}\n", good.lines().nth(index).unwrap()))
        .concat();
    for early in [other_file, began_before] {
        assert!(check_trace(&early).is_err(), "{early}");
    }
}
