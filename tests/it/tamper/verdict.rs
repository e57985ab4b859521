//! What `doorbook verify` says of a directory: by the library, which is quick, and by the program.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use doorbook::{
    commands::verify_models::verify_models,
    events::log::{Log, OpenError},
    projections::{
        Views,
        integrity::check::{self, Auditors},
    },
};
use serde_json::Value;

use super::book;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Whole,
    Found {
        /// The first bad offset, where one can be told.
        offset: Option<u64>,
        said: String,
    },
}

/// What an auditor has kept elsewhere.
pub(super) struct Kept {
    pub(super) checkpoint: PathBuf,
    pub(super) key: PathBuf,
}

impl Verdict {
    fn found(offset: Option<u64>, said: impl ToString) -> Self {
        let said = said.to_string();
        Self::Found { offset, said }
    }
}

/// The same steps as the program's.
pub(super) fn in_process(dir: &Path, kept: Option<&Kept>) -> Verdict {
    let runtime = book::runtime();
    let _entered = runtime.enter();
    let log = match Log::open(dir) {
        Ok((log, report)) => {
            assert_eq!(report.cut_from, None, "all was witnessed");
            log
        }
        Err(OpenError::Damaged { offset, detail, .. }) => {
            return Verdict::found(Some(offset), detail);
        }
        Err(error) => return Verdict::found(None, error),
    };
    let auditors = kept.map(|kept| Auditors {
        note: fs::read_to_string(&kept.checkpoint).unwrap(),
        key: Some(
            fs::read_to_string(&kept.key)
                .unwrap()
                .trim()
                .parse()
                .unwrap(),
        ),
    });
    let checked = check::check(&log, auditors.as_ref(), &mut |_| ());
    if let Err(finding) = checked {
        return Verdict::found(finding.offset, finding.detail);
    }
    let views = match Views::open(log.clone()) {
        Ok(views) => views,
        Err(error) => return Verdict::found(None, error),
    };
    let difference = views.verify_views(|_, _| ());
    let people = views.verify_keys();
    views.close();
    if let Ok(Err(forged)) = verify_models(&log) {
        return Verdict::found(None, forged);
    }
    if let Ok(Err(unreadable)) = people {
        return Verdict::found(None, unreadable);
    }
    match (difference, log.close()) {
        (Ok(None), Ok(())) => Verdict::Whole,
        // The offset of a view is where it was compared, not where it was touched.
        (Ok(Some(difference)), _) => Verdict::found(None, difference),
        (Err(error), _) => Verdict::found(None, error),
        (_, Err(error)) => Verdict::found(None, error),
    }
}

pub(super) fn of_the_program(dir: &Path, kept: Option<&Kept>) -> Verdict {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorbook"));
    command.args(["verify", "--json", "--data"]).arg(dir);
    if let Some(kept) = kept {
        command.arg("--checkpoint").arg(&kept.checkpoint);
        command.arg("--key").arg(&kept.key);
    }
    let output = command.output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.code() {
        Some(0) => Verdict::Whole,
        Some(code @ (1 | 3)) => {
            // What keeps a directory from opening at all is not told to programs.
            let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            let offset = told["first_bad_offset"].as_u64();
            // A forged type or format, with every hash repaired, looks like a log of tomorrow.
            let is_unreadable = complaint.contains("keys") || complaint.contains("newer doorbook");
            assert!(
                code == 1 || is_unreadable,
                "what is damaged is a failed check: {complaint}"
            );
            Verdict::found(offset, complaint)
        }
        code => panic!("doorbook verify ended with {code:?}: {complaint}"),
    }
}
