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
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use book::{Book, Content};
use forger::{Chance, Forgery, Target};
use verdict::Verdict;

use crate::log_history::{copy_dir, data_dir};

const CASES: u64 = 200;
const THREADS: u64 = 2;
/// Every so many seeds the program itself is asked, too, and has to agree.
const ASK_THE_PROGRAM_EVERY: u64 = 5;

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
    let judged: Vec<Result<Outcome, String>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn(move || {
                    (thread..cases)
                        .step_by(THREADS as usize)
                        .map(|case| judged(book, seed.wrapping_add(case)))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    let (outcomes, missed): (Vec<_>, Vec<_>) = judged.into_iter().partition(Result::is_ok);
    let outcomes: Vec<Outcome> = outcomes.into_iter().flatten().collect();
    let missed: Vec<String> = missed.into_iter().filter_map(Result::err).collect();
    tell(&outcomes);
    assert!(
        missed.is_empty(),
        "{} of {cases} cases:\n{}",
        missed.len(),
        missed.join("\n")
    );
    if cases >= CASES {
        each_kind_was_met(&outcomes);
    }
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
    result: Found,
    asked_the_program: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// By what lies in the directory.
    Inside,
    /// Only by the checkpoint that was kept elsewhere: the directory holds nothing that could tell.
    Outside,
    /// Everything that can be read is what it was.
    WithoutEffect,
}

/// Of two times that run backwards the second is named, and nobody can tell which was forged.
fn is_neighbour(forgery: &Forgery, offset: u64, said: &str) -> bool {
    said.contains("one of the two times is wrong") && forgery.offsets.contains(&(offset - 1))
}

/// A case that panics is one that failed, and the others go on.
fn judged(book: &Book, seed: u64) -> Result<Outcome, String> {
    catch_unwind(AssertUnwindSafe(|| one_case(book, seed)))
        .unwrap_or_else(|_| Err(format!("DOORBOOK_SEED={seed}: it panicked, see above")))
}

/// What became of a case, or what is wrong with `verify`.
fn one_case(book: &Book, seed: u64) -> Result<Outcome, String> {
    let mut chance = Chance::new(seed);
    let copy = data_dir();
    copy_dir(book.dir(), copy.path()).unwrap();
    let forgery = Forgery::commit(copy.path(), &mut chance);
    let wrong = |what: String| Err(format!("DOORBOOK_SEED={seed}: {what}; {forgery:?}"));
    // Opening writes, so each judge gets a copy of its own.
    let (second, third) = (data_dir(), data_dir());
    let asks = seed.is_multiple_of(ASK_THE_PROGRAM_EVERY);
    if asks {
        copy_dir(copy.path(), second.path()).unwrap();
    }
    if forgery.rewrites_history() {
        copy_dir(copy.path(), third.path()).unwrap();
    }

    let verdict = verdict::in_process(copy.path(), None);
    match &verdict {
        Verdict::Whole if forgery.forgets_all_proof => {}
        Verdict::Whole if forgery.rewrites_history() => {
            return wrong("history was rewritten and nobody noticed".to_owned());
        }
        Verdict::Whole if Content::read(copy.path()) != book.content => {
            return wrong("it passes and is not what it was".to_owned());
        }
        Verdict::Found {
            offset: Some(offset),
            said,
        } if !forgery.offsets.contains(offset) && !is_neighbour(&forgery, *offset, said) => {
            return wrong(format!("offset {offset} is not where it was done: {said}"));
        }
        Verdict::Whole | Verdict::Found { .. } => {}
    }
    if asks {
        let program = verdict::of_the_program(second.path(), None);
        if (program == Verdict::Whole) != (verdict == Verdict::Whole) {
            return wrong(format!(
                "the program says {program:?}, the library {verdict:?}"
            ));
        }
    }
    if forgery.rewrites_history()
        && verdict::in_process(third.path(), Some(&book.kept)) == Verdict::Whole
    {
        return wrong("a checkpoint kept elsewhere did not tell".to_owned());
    }
    Ok(Outcome {
        target: forgery.target,
        result: match verdict {
            Verdict::Found { .. } => Found::Inside,
            Verdict::Whole if forgery.rewrites_history() => Found::Outside,
            Verdict::Whole => Found::WithoutEffect,
        },
        asked_the_program: asks,
    })
}

/// What was found, kind by kind.
fn tell(outcomes: &[Outcome]) {
    for target in Target::ALL {
        let count = |result| {
            (outcomes.iter())
                .filter(|it| it.target == target && it.result == result)
                .count()
        };
        println!(
            "{target:?}: {} found, {} more by a checkpoint kept elsewhere, {} without effect",
            count(Found::Inside),
            count(Found::Outside),
            count(Found::WithoutEffect)
        );
    }
    let asked = outcomes.iter().filter(|it| it.asked_the_program).count();
    println!("{asked} of {} put to the program, too", outcomes.len());
}

/// A campaign in which a kind was never found, or never tried, has shown nothing about it.
fn each_kind_was_met(outcomes: &[Outcome]) {
    for target in Target::ALL {
        let found = (outcomes.iter()).any(|it| it.target == target && it.result == Found::Inside);
        assert!(found, "{target:?} was never found");
    }
    let asked = outcomes.iter().filter(|it| it.asked_the_program).count();
    assert!(asked >= 20, "the program was asked {asked} times");
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is not a number")),
    )
}
