//! Why a command could not do its work, and the exit code that says so: 1 a check failed or the server said
//! no, 2 wrong usage, 3 cannot reach the server or open the data. 0 is "done" and has no type.

use std::{io, process::ExitCode};

use anyhow::anyhow;

/// A sentence for a person, and what a script may read from it.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    cause: anyhow::Error,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    Check = 1,
    Usage = 2,
    Unreachable = 3,
    /// The reader of our output has gone (`doorbook history | head`): not a failure.
    ReaderGone = 0,
}

impl Failure {
    /// Something was looked at and is not as it should be, or was asked for and refused.
    pub(crate) fn check(cause: impl Into<anyhow::Error>) -> Self {
        Self {
            exit: Exit::Check,
            cause: cause.into(),
        }
    }

    pub(crate) fn refused(sentence: impl Into<String>) -> Self {
        Self::check(anyhow!(sentence.into()))
    }

    pub(crate) fn usage(sentence: impl Into<String>) -> Self {
        Self {
            exit: Exit::Usage,
            cause: anyhow!(sentence.into()),
        }
    }

    /// No answer from the server, or the data cannot be opened.
    pub(crate) fn unreachable(cause: impl Into<anyhow::Error>) -> Self {
        Self {
            exit: Exit::Unreachable,
            cause: cause.into(),
        }
    }

    pub(crate) fn output(error: io::Error) -> Self {
        let exit = match error.kind() {
            io::ErrorKind::BrokenPipe => Exit::ReaderGone,
            _ => Exit::Unreachable,
        };
        Self {
            exit,
            cause: anyhow::Error::new(error).context("cannot write the output"),
        }
    }

    /// Whether the same may work a little later: the server did not answer, or was too busy to.
    pub(crate) fn may_pass(&self) -> bool {
        match self.exit {
            Exit::Unreachable | Exit::Check => true,
            Exit::Usage | Exit::ReaderGone => false,
        }
    }

    /// The sentence to print before exiting; none when nobody did anything wrong.
    pub(crate) fn sentence(&self) -> Option<String> {
        (self.exit != Exit::ReaderGone).then(|| told_once(&self.cause))
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.exit as u8)
    }
}

/// The error and its causes, without those that the text already ends in.
fn told_once(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |told, cause| {
        let cause = cause.to_string();
        if told.is_empty() {
            cause
        } else if told.ends_with(&cause) {
            told
        } else {
            format!("{told}: {cause}")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_the_error_already_tells_is_not_told_again() {
        let cause = || io::Error::new(io::ErrorKind::NotFound, "no such file");
        let told = |error| Failure::unreachable(error).sentence().unwrap();
        assert_eq!(
            told(anyhow::Error::new(cause()).context("cannot open x: no such file")),
            "cannot open x: no such file"
        );
        assert_eq!(
            told(anyhow::Error::new(cause()).context("cannot open x")),
            "cannot open x: no such file"
        );
    }
}
