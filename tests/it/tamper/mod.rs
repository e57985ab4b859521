//! The forger's test: on a copy of a small data directory one thing is changed, by accident or by
//! somebody who knows the format and has everything but the signing key; `verify` has to find it, or
//! what it passes has to be what it was, to the last name.
//!
//! `DOORBOOK_TAMPERINGS` sets how many, `DOORBOOK_SEED` where chance begins: a case is a seed, so that
//! `DOORBOOK_TAMPERINGS=1` with the seed of a failure repeats it.

mod book;
mod forger;
mod frames;
mod verdict;

use std::{
    collections::BTreeMap,
    env, thread,
    time::{SystemTime, UNIX_EPOCH},
};

use book::{Book, Content};
use forger::{Chance, Forgery, Target};
use verdict::Verdict;

use crate::log_history::{copy_dir, data_dir};

const CASES: u64 = 200;
const THREADS: u64 = 2;
/// Every so many cases the program itself is asked, too, and has to agree.
const ASK_THE_PROGRAM_EVERY: u64 = 8;

#[test]
fn verify_finds_what_was_tampered_with_or_it_is_without_effect() {
    let cases = number("DOORBOOK_TAMPERINGS").unwrap_or(CASES);
    let seed = number("DOORBOOK_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        u64::from(now.subsec_nanos())
    });
    println!("DOORBOOK_SEED={seed}");
    let book = Book::write();
    let book = &book;
    let outcomes: Vec<Outcome> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn(move || {
                    (thread..cases)
                        .step_by(THREADS as usize)
                        .map(|case| one_case(book, seed.wrapping_add(case)))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    tell(&outcomes);
}

/// The judge judged: an untouched copy passes, and what it holds is not nothing.
#[test]
fn an_untouched_copy_is_found_whole() {
    let book = Book::write();
    let copy = data_dir();
    copy_dir(book.dir(), copy.path()).unwrap();
    assert!(book.content.is_worth_tampering_with());
    let verdict = verdict::in_process(copy.path(), None);
    assert_eq!(verdict, Verdict::Whole);
    assert_eq!(verdict::of_the_program(copy.path(), None), verdict);
    let kept = Some(&book.kept);
    assert_eq!(verdict::in_process(copy.path(), kept), verdict);
    assert_eq!(verdict::of_the_program(copy.path(), kept), verdict);
    assert!(Content::read(copy.path()) == book.content);
}

#[derive(Debug)]
struct Outcome {
    target: Target,
    found: bool,
    changed_a_byte: bool,
    asked_the_program: bool,
}

fn one_case(book: &Book, seed: u64) -> Outcome {
    let mut chance = Chance::new(seed);
    let copy = data_dir();
    copy_dir(book.dir(), copy.path()).unwrap();
    let forgery = Forgery::commit(copy.path(), &mut chance);
    let case = format!("DOORBOOK_SEED={seed} DOORBOOK_TAMPERINGS=1: {forgery:?}");
    // Opening writes, so each judge gets a copy of its own.
    let second = data_dir();
    let asks = chance.below(ASK_THE_PROGRAM_EVERY) == 0;
    if asks || forgery.rewrites_history() {
        copy_dir(copy.path(), second.path()).unwrap();
    }

    let verdict = verdict::in_process(copy.path(), None);
    match &verdict {
        Verdict::Whole => {
            assert!(
                !forgery.rewrites_history() || forgery.forgets_all_proof,
                "history was rewritten and nobody noticed; {case}"
            );
            assert!(
                forgery.forgets_all_proof || Content::read(copy.path()) == book.content,
                "it passes and is not what it was; {case}"
            );
        }
        Verdict::Found { said, offset } => {
            assert!(!said.is_empty(), "{case}");
            if let (Some(offset), Some(touched)) = (offset, &forgery.offsets) {
                assert!(
                    touched.contains(offset),
                    "offset {offset} is not where it was done: {said}; {case}"
                );
            }
        }
    }
    if asks {
        let program = verdict::of_the_program(second.path(), None);
        assert_eq!(
            matches!(program, Verdict::Whole),
            matches!(verdict, Verdict::Whole),
            "the program says {program:?}, the library {verdict:?}; {case}"
        );
    }
    if forgery.rewrites_history() {
        let held_against = verdict::in_process(second.path(), Some(&book.kept));
        assert!(
            matches!(held_against, Verdict::Found { .. }),
            "a checkpoint kept elsewhere did not tell; {case}"
        );
    }
    Outcome {
        target: forgery.target,
        found: verdict != Verdict::Whole,
        changed_a_byte: forgery.changed_a_byte,
        asked_the_program: asks,
    }
}

/// What was found, kind by kind; each kind has to have been met, and to have been found at least once.
fn tell(outcomes: &[Outcome]) {
    let mut kinds: BTreeMap<Target, (usize, usize)> = BTreeMap::new();
    for outcome in outcomes {
        assert!(outcome.changed_a_byte, "a case that changed nothing");
        let (cases, found) = kinds.entry(outcome.target).or_default();
        *cases += 1;
        *found += usize::from(outcome.found);
    }
    for (target, (cases, found)) in &kinds {
        println!(
            "{target:?}: {found} of {cases} found, {} without effect",
            cases - found
        );
    }
    let asked = outcomes.iter().filter(|it| it.asked_the_program).count();
    println!("{asked} of {} put to the program, too", outcomes.len());
    if outcomes.len() as u64 >= CASES {
        assert_eq!(kinds.len(), Target::ALL.len(), "{kinds:?}");
        assert!(asked >= 10, "the program was asked {asked} times");
        assert!(kinds.values().all(|(_, found)| *found > 0), "{kinds:?}");
    }
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is not a number")),
    )
}
