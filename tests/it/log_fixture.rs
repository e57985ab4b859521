//! Data directories written by earlier doorbooks open for ever, and say what they always said.
//!
//! `tests/fixtures/log-v<n>` holds a data directory, each file compressed by itself (sled's file is
//! 8 MiB, nearly all zeros), and `listing.txt`. A new format gets a new directory, written with
//! `DOORBOOK_WRITE_FIXTURES=1`; one that exists is never written again.

use std::{
    env,
    fmt::Write as _,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use doorbook::{
    events::{event::Event, log::Log},
    projections::{Views, integrity::check::check},
};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};

use crate::log_history::{data_dir, files_below, read_all, write_history};

const EVENTS: usize = 240;
const LISTING: &str = "listing.txt";

#[test]
fn a_log_of_format_1_opens_and_reads_as_it_always_did() {
    let fixture = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/log-v1");
    if env::var_os("DOORBOOK_WRITE_FIXTURES").is_some() && !fixture.exists() {
        write_fixture(&fixture);
    }
    let dir = data_dir();
    unpack(&fixture, dir.path()).unwrap();
    let (log, report) = Log::open(dir.path()).unwrap();
    assert_eq!(report.mended, Vec::<String>::new());
    assert_eq!(report.cut_from, None);
    let expected = fs::read_to_string(fixture.join(LISTING)).unwrap();
    for (found, expected) in listing(&log).lines().zip(expected.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(expected.lines().count(), EVENTS);
    assert_eq!(log.verify(&mut |_| {}).unwrap().witnessed, EVENTS as u64);
    // It was written before there was a tree over logs.
    let views = Views::open(log.clone()).unwrap();
    assert!(
        views
            .projections()
            .iter()
            .any(|view| view.name == "integrity")
    );
    views.close();
    let covered = check(&log, None, &mut |_| ()).unwrap();
    assert_eq!((covered.hashed, covered.checkpoints), (EVENTS as u64, 1));
    // The same records make the same root for ever.
    assert_eq!(
        covered.root_text(),
        "anpe7cczthYGDgyws4bCKB5EPVX+saOBdalMO95Zvc4="
    );
    // And it goes on from there.
    let last = log.get(EVENTS as u64).unwrap().unwrap();
    write_history(&log, 50);
    let next = log.get(EVENTS as u64 + 1).unwrap().unwrap();
    assert!(next.recorded_at >= last.recorded_at);
    log.close().unwrap();
    assert_eq!(Log::open(dir.path()).unwrap().1.head, EVENTS as u64 + 50);
}

/// A line an event; what is sealed is shown opened, which takes the right keys.
fn listing(log: &Log) -> String {
    let mut text = String::new();
    for event in read_all(log) {
        write!(text, "{event:?}").unwrap();
        if let Some(name) = &event.actor.name {
            let whose = event.gathering.to_bytes();
            let name = log.keys().unseal(event.gathering, whose, name).unwrap();
            write!(text, " by {}", String::from_utf8(name).unwrap()).unwrap();
        }
        if let Event::ParticipantRegistered(registration) = &event.event {
            let whose = registration.subject.participant.to_bytes();
            let person = log
                .keys()
                .unseal(event.gathering, whose, &registration.person);
            write!(text, " of {}", String::from_utf8(person.unwrap()).unwrap()).unwrap();
        }
        text.push('\n');
    }
    text
}

fn write_fixture(fixture: &Path) {
    let dir = data_dir();
    let (log, _) = Log::open(dir.path()).unwrap();
    write_history(&log, EVENTS);
    fs::create_dir_all(fixture).unwrap();
    fs::write(fixture.join(LISTING), listing(&log)).unwrap();
    log.close().unwrap();
    for file in files_below(dir.path()).unwrap() {
        let packed = fixture.join(format!("{}.gz", file.display()));
        fs::create_dir_all(packed.parent().unwrap()).unwrap();
        let mut packed = GzEncoder::new(File::create(packed).unwrap(), Compression::best());
        io::copy(&mut File::open(dir.path().join(file)).unwrap(), &mut packed).unwrap();
        packed.finish().unwrap();
    }
}

fn unpack(fixture: &Path, to: &Path) -> io::Result<()> {
    for file in files_below(fixture)? {
        if file.extension().is_none_or(|end| end != "gz") {
            continue;
        }
        let unpacked = to.join(file.with_extension(""));
        if let Some(parent) = unpacked.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut content = Vec::new();
        GzDecoder::new(File::open(fixture.join(&file))?).read_to_end(&mut content)?;
        fs::write(unpacked, content)?;
    }
    Ok(())
}
