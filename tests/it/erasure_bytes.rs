//! After an erasure nothing about the person is in any byte of the data directory, nor of what the server
//! said, whatever it was doing meanwhile and however it ended; and the key that would open what is sealed
//! is in none of them either.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use doorbook::events::ids::ParticipantId;
use serde_json::json;
use tempfile::TempDir;

use crate::{
    byte_search::Needles,
    process::{Client, Process},
};

/// Of a key file: see `events/keys/file.rs`.
const KEY_HEADER_BYTES: usize = 8;
const KEY_RECORD_BYTES: usize = 93;
const SUBJECT_BYTES: usize = 16;

const GATHERING: &str = "An evening of the byte search";
/// How often a server is killed while it erases.
const KILLS: usize = 6;

struct Trial {
    /// The data directory, and what the server said, are in it.
    dir: TempDir,
    data: PathBuf,
    server: Process,
    client: Client,
    gathering: String,
    /// Participant by code.
    people: HashMap<String, ParticipantId>,
}

impl Trial {
    fn begin() -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let data = dir.path().join("data");
        let server = Process::start(&data);
        let client = server.client();
        let gathering = client.create_gathering(GATHERING);
        Self {
            dir,
            data,
            server,
            client,
            gathering,
            people: HashMap::new(),
        }
    }

    /// Somebody whose every text can be looked for, who has been through the door.
    fn register(&mut self, code: &str) {
        let body = json!({
            "first_name": format!("Zoë-{code}"), "last_name": format!("Lovelace-{code}"),
            "email": format!("zoe.{code}@example.org"), "note": format!("is dizzy, {code}"),
            "event_pax_id": code,
        });
        let path = format!("/api/events/{}/register/", self.gathering);
        let answer = self.client.post(&path, Some(code), &body).unwrap();
        assert_eq!(answer.status, 201, "{}", answer.text);
        let id = answer.json()["id"].as_str().unwrap().parse().unwrap();
        self.people.insert(code.to_owned(), id);
        for (what, status) in [("check-in", 200), ("check-in", 409), ("undo", 200)] {
            let body = match what {
                "undo" => json!({"reason": format!("Zoë-{code} fainted")}),
                _ => json!({"gate": "north"}),
            };
            let answer = (self.client)
                .post(
                    &format!("/api/events/participants/{code}/{what}/"),
                    None,
                    &body,
                )
                .unwrap();
            assert_eq!(answer.status, status, "{}", answer.text);
        }
    }

    fn codes(&self) -> Vec<String> {
        self.people.keys().cloned().collect()
    }

    /// Everything that was said about these people.
    fn words(codes: &[String]) -> Needles {
        let words: Vec<String> = (codes.iter())
            .flat_map(|code| {
                [
                    format!("Zoë-{code}"),
                    // As it is folded for the search.
                    format!("zoe-{}", code.to_lowercase()),
                    format!("Lovelace-{code}"),
                    format!("zoe.{code}@example.org"),
                    format!("is dizzy, {code}"),
                    format!("{code} fainted"),
                ]
            })
            .collect();
        Needles::of_words(words.iter().map(String::as_str))
    }

    /// The wrapped keys as they lie in the gathering's key file, by code.
    fn keys(&self) -> HashMap<String, Vec<u8>> {
        let path = self
            .data
            .join("keys")
            .join(format!("{}.keys", self.gathering));
        let bytes = fs::read(path).unwrap();
        let records: HashMap<&[u8], &[u8]> = bytes[KEY_HEADER_BYTES..]
            .chunks_exact(KEY_RECORD_BYTES)
            .map(|record| {
                (
                    &record[..SUBJECT_BYTES],
                    &record[SUBJECT_BYTES + 1..KEY_RECORD_BYTES - 4],
                )
            })
            .collect();
        (self.people.iter())
            .filter_map(|(code, id)| {
                let key = records.get(id.to_bytes().as_slice())?;
                Some((code.clone(), key.to_vec()))
            })
            .collect()
    }

    fn nothing_is_found(&self, needles: &Needles) {
        assert_eq!(needles.found_below(self.dir.path()), []);
    }

    /// Whom the log calls erased.
    fn erased(&self) -> Vec<String> {
        let entries = self.client.log_after(0);
        let erasures = entries
            .iter()
            .filter(|entry| entry["type"] == "participant_erased");
        erasures
            .map(|entry| entry["event_pax_id"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// Lets the others come to their end, however this one ends.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn keys_of(keys: &HashMap<String, Vec<u8>>, codes: &[String]) -> Needles {
    let mut needles = Needles::default();
    for code in codes {
        needles.add(&format!("the key of {code}"), keys[code].clone());
    }
    needles
}

fn erase(client: &Client, code: &str) -> Result<u16, String> {
    let path = format!("/api/events/participants/{code}/erase/");
    client
        .post(&path, None, &json!({}))
        .map(|answer| answer.status)
}

fn exists(dir: &Path, word: &str) -> bool {
    !Needles::of_words([word]).found_below(dir).is_empty()
}

#[test]
fn nothing_about_a_person_is_in_any_byte_before_and_after_an_erasure_under_load() {
    let mut trial = Trial::begin();
    for number in 0..24 {
        trial.register(&format!("VIP-{number:04}"));
    }
    let (all, keys) = (trial.codes(), trial.keys());
    assert_eq!(keys.len(), 24);
    let (gone, staying) = all.split_at(12);
    let words = Trial::words(&all);
    trial.nothing_is_found(&words);
    assert!(
        exists(trial.dir.path(), GATHERING),
        "what is there is found"
    );
    assert_eq!(
        keys_of(&keys, &all).found_below(trial.dir.path()).len(),
        24,
        "each key is there once"
    );

    let (busy, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for (way, code) in ["check-in", "check-out"].into_iter().zip(staying) {
            let (client, busy, done) = (trial.client.clone(), &busy, &done);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let path = format!("/api/events/participants/{code}/{way}/");
                    client.post(&path, None, &json!({"gate": "north"})).unwrap();
                    busy.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let _done = Done(&done);
        for code in gone {
            let before = busy.load(Ordering::Relaxed);
            assert_eq!(erase(&trial.client, code), Ok(200));
            trial.nothing_is_found(&keys_of(&keys, std::slice::from_ref(code)));
            while busy.load(Ordering::Relaxed) == before {
                thread::yield_now();
            }
        }
        trial.nothing_is_found(&words);
    });
    trial.nothing_is_found(&keys_of(&keys, gone));
    assert_eq!(
        keys_of(&keys, staying).found_below(trial.dir.path()).len(),
        12
    );
    for code in staying {
        let shown = trial
            .client
            .get(&format!("/api/events/participants/{code}/"))
            .unwrap();
        assert!(
            shown.text.contains(&format!("Zoë-{code}")),
            "{}",
            shown.text
        );
    }
    // What a request brings back is not kept, either: an export least of all.
    let export = format!("/api/events/participants/{}/export/", staying[0]);
    assert_eq!(trial.client.get(&export).unwrap().status, 200);
    trial.nothing_is_found(&words);
    trial.server.kill();
    assert_eq!(words.found_below(trial.dir.path()), []);
}

#[test]
fn a_kill_in_the_middle_of_erasing_leaves_nothing_of_whom_the_log_calls_erased() {
    let mut trial = Trial::begin();
    for round in 0..KILLS {
        for number in 0..10 {
            trial.register(&format!("KILL-{round}{number:03}"));
        }
        let all = trial.codes();
        let keys = trial.keys();
        let before = trial.erased();
        let left: Vec<_> = all
            .iter()
            .filter(|code| !before.contains(code))
            .cloned()
            .collect();
        let answered = AtomicUsize::new(0);
        let stop_after = left.len() * round / KILLS;
        let together = round % 2 == 1;
        thread::scope(|scope| {
            let erasing = scope.spawn(|| {
                let client = &trial.client;
                if together {
                    let path = format!("/api/events/{}/erase/", trial.gathering);
                    answered.store(stop_after, Ordering::Relaxed);
                    // It may be answered and may not.
                    drop(client.post(&path, None, &json!({})));
                    return;
                }
                for code in &left {
                    if erase(client, code) != Ok(200) {
                        return;
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
            while answered.load(Ordering::Relaxed) < stop_after && !erasing.is_finished() {
                thread::yield_now();
            }
            trial.server.kill_now();
        });
        trial.nothing_is_found(&Trial::words(&all));
        trial.server = Process::start_at(&trial.data, trial.server.address);
        trial.client = trial.server.client();
        let erased = trial.erased();
        let this_round: Vec<_> = left
            .iter()
            .filter(|code| erased.contains(code))
            .cloned()
            .collect();
        assert!(
            together || this_round.len() >= stop_after,
            "what was answered stays"
        );
        trial.nothing_is_found(&keys_of(&keys, &this_round));
        for code in &left {
            let shown = trial
                .client
                .get(&format!("/api/events/participants/{code}/"))
                .unwrap();
            let named = shown.text.contains(&format!("Zoë-{code}"));
            assert_eq!(named, !erased.contains(code), "{}", shown.text);
        }
        trial.nothing_is_found(&Trial::words(&all));
    }
}
