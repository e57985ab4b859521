//! A disk that fills up: commands are refused with 503, reads go on, nothing that was acknowledged is
//! lost; with space back and a restart it goes on.

use serde_json::Value;

use crate::{disk::LoopDisk, process::Process};

const DISK_MIB: u64 = 48;
/// Commands before the disk is full, and most that may still find room after it.
const BEFORE: u32 = 40;
const STILL_FITTING_MAX: u32 = 20_000;

#[test]
fn a_full_disk_refuses_commands_and_loses_nothing_acknowledged() {
    let mut disk = match LoopDisk::create(DISK_MIB) {
        Ok(disk) => disk,
        Err(reason) => {
            println!("not run: {reason}");
            return;
        }
    };
    let data = disk.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let server = Process::start(&data);
    let client = server.client();
    let gathering = client.create_gathering("Evening");
    let mut acked: Vec<String> = Vec::new();
    let mut register = |code: String| {
        let answer = client.register(&gathering, &code).unwrap();
        if answer.status == 201 {
            acked.push(code);
        }
        answer
    };
    for number in 0..BEFORE {
        assert_eq!(register(format!("B{number}")).status, 201);
    }

    disk.fill();
    let refused = (0..STILL_FITTING_MAX)
        .map(|number| register(format!("F{number}")))
        .find(|answer| answer.status != 201)
        .expect("a full disk took everything");
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert_eq!(refused.content_type, "application/problem+json");
    // A failed write is never tried again, so this one is refused without touching the disk.
    assert_eq!(register("again".to_owned()).status, 503);
    assert_eq!(
        codes(&client.log_after(0)),
        acked,
        "reads go on, and show what was acknowledged"
    );
    let path = format!("/api/events/{gathering}/participants/?limit=1");
    assert_eq!(client.get(&path).unwrap().status, 200);
    server.kill();

    disk.free();
    let server = Process::start(&data);
    let client = server.client();
    let after = codes(&client.log_after(0));
    assert_eq!(after[..acked.len()], acked, "lost after the restart");
    let answer = client.register(&gathering, "with-space").unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text);
    server.kill();
    disk.unmount().unwrap();
}

fn codes(entries: &[Value]) -> Vec<String> {
    entries
        .iter()
        .filter(|entry| entry["type"] == "participant_registered")
        .map(|entry| entry["event_pax_id"].as_str().unwrap().to_owned())
        .collect()
}
