//! Lines into the log: submitted in chunks, each waiting for the disk once. Good lines land even when others
//! are bad, and a line that landed before adds nothing.

use std::collections::HashMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{ImportLine, LineProblem};
use crate::{
    commands::{
        Command, CommandError, CommandHandler, Context, handler::Submitted, model::CommandKey,
        refusal::Refusal, register::Register,
    },
    events::ids::{GatheringId, Offset},
};

/// Lines submitted before waiting for the disk.
const CHUNK_LINES: usize = 512;
/// Most rejected lines that a report names; more are only counted.
pub const REJECTED_LINES_MAX: usize = 10_000;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ImportReport {
    /// Lines that landed now (of a dry run: that would).
    pub accepted: u64,
    /// Lines that had landed before.
    pub unchanged: u64,
    /// The first [`REJECTED_LINES_MAX`] lines that were not taken.
    pub rejected: Vec<RejectedLine>,
    /// How many were not taken.
    pub rejected_count: u64,
    /// The log's position after the import: everything accepted is at or before it.
    pub head: Offset,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RejectedLine {
    pub line: u64,
    pub code: &'static str,
    pub detail: String,
}

/// After each chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportProgress {
    pub lines: u64,
    pub accepted: u64,
    pub unchanged: u64,
    pub rejected: u64,
}

/// One import on its way.
struct Run<'a, P> {
    handler: &'a CommandHandler,
    gathering: GatheringId,
    context: &'a Context,
    report: ImportReport,
    lines: u64,
    /// How often each content has come in this file; keyed by the id of its first occurrence.
    occurrences: HashMap<CommandKey, u64>,
    /// Submitted and not yet durable, with their lines.
    pending: Vec<(u64, Submitted)>,
    progress: P,
}

/// Registers everybody on the list.
///
/// # Errors
/// Only what stops the whole import (no such gathering, the log takes no more). What landed until
/// then stays, and importing the same file again goes on where it stopped.
pub async fn import(
    handler: &CommandHandler,
    gathering: GatheringId,
    lines: impl Iterator<Item = ImportLine>,
    context: &Context,
    progress: impl FnMut(ImportProgress),
) -> Result<ImportReport, CommandError> {
    let mut run = Run::new(handler, gathering, context, progress);
    handler.ready(gathering).await?;
    for ImportLine { line, result } in lines {
        match result {
            Ok(register) => {
                let (command, context) = run.command(register)?;
                run.submit(line, &command, &context).await?;
            }
            Err(problem) => run.reject(line, problem),
        }
        run.lines += 1;
        if run.pending.len() >= CHUNK_LINES {
            run.settle().await?;
        }
        run.pause().await;
    }
    run.settle().await?;
    Ok(run.report)
}

/// What [`import`] would answer, with nothing appended.
///
/// # Errors
/// As [`import`].
pub async fn dry_run(
    handler: &CommandHandler,
    gathering: GatheringId,
    lines: impl Iterator<Item = ImportLine>,
    context: &Context,
    progress: impl FnMut(ImportProgress),
) -> Result<ImportReport, CommandError> {
    let mut run = Run::new(handler, gathering, context, progress);
    handler.ready(gathering).await?;
    let mut codes = std::collections::HashSet::new();
    for ImportLine { line, result } in lines {
        match result {
            Ok(register) => {
                let code = register.code.clone();
                let (command, context) = run.command(register)?;
                match handler.check(gathering, &command, &context) {
                    Ok(true) => run.report.unchanged += 1,
                    // A code that an earlier line of the file would take.
                    Ok(false) => match code {
                        Some(code) if !codes.insert(code.clone()) => {
                            run.reject(
                                line,
                                of_line(CommandError::Refused(Refusal::CodeTaken { code }))?,
                            );
                        }
                        _ => run.report.accepted += 1,
                    },
                    Err(error) => run.reject(line, of_line(error)?),
                }
            }
            Err(problem) => run.reject(line, problem),
        }
        run.lines += 1;
        run.pause().await;
    }
    run.settle().await?;
    Ok(run.report)
}

impl<'a, P: FnMut(ImportProgress)> Run<'a, P> {
    fn new(
        handler: &'a CommandHandler,
        gathering: GatheringId,
        context: &'a Context,
        progress: P,
    ) -> Self {
        Self {
            handler,
            gathering,
            context,
            report: ImportReport::default(),
            lines: 0,
            occurrences: HashMap::new(),
            pending: Vec::with_capacity(CHUNK_LINES),
            progress,
        }
    }

    /// The line's command under the id that its content gives it.
    fn command(&mut self, register: Register) -> Result<(Command, Context), CommandError> {
        let id = |occurrence| {
            self.handler
                .import_id(self.gathering, &register, occurrence)
                .ok_or(CommandError::Refused(Refusal::UnknownGathering))
        };
        let first = id(0)?;
        let seen = self.occurrences.get(&CommandKey::of(&first)).copied();
        let occurrence = seen.unwrap_or(0);
        self.occurrences
            .insert(CommandKey::of(&first), occurrence + 1);
        let command_id = if occurrence == 0 {
            first
        } else {
            id(occurrence)?
        };
        let context = Context {
            command_id: Some(command_id),
            ..self.context.clone()
        };
        Ok((Command::Register(register), context))
    }

    async fn submit(
        &mut self,
        line: u64,
        command: &Command,
        context: &Context,
    ) -> Result<(), CommandError> {
        loop {
            match self.handler.queue(self.gathering, command, context) {
                Ok(submitted) => {
                    self.pending.push((line, submitted));
                    return Ok(());
                }
                Err(CommandError::Busy { retry_after }) => {
                    // Room comes when what waits is written: ours first, others' after a while.
                    if self.pending.is_empty() {
                        tokio::time::sleep(retry_after / 10).await;
                    }
                    self.settle().await?;
                }
                Err(error) => {
                    self.reject(line, of_line(error)?);
                    return Ok(());
                }
            }
        }
    }

    /// Waits until everything submitted is on the disk, and counts it.
    async fn settle(&mut self) -> Result<(), CommandError> {
        for (_, submitted) in std::mem::take(&mut self.pending) {
            let accepted = submitted.durable().await?;
            if accepted.replayed {
                self.report.unchanged += 1;
            } else {
                self.report.accepted += 1;
            }
        }
        self.report.head = self.handler.log().head();
        self.tell();
        Ok(())
    }

    /// Lets others have the thread now and then, however bad the lines are.
    async fn pause(&mut self) {
        if self.lines.is_multiple_of(CHUNK_LINES as u64) {
            self.tell();
            tokio::task::yield_now().await;
        }
    }

    fn reject(&mut self, line: u64, problem: LineProblem) {
        self.report.rejected_count += 1;
        if self.report.rejected.len() >= REJECTED_LINES_MAX {
            return;
        }
        self.report.rejected.push(RejectedLine {
            line,
            code: problem.code,
            detail: problem.detail,
        });
    }

    fn tell(&mut self) {
        (self.progress)(ImportProgress {
            lines: self.lines,
            accepted: self.report.accepted,
            unchanged: self.report.unchanged,
            rejected: self.report.rejected_count,
        });
    }
}

/// What concerns one line is its problem; the rest is the import's.
fn of_line(error: CommandError) -> Result<LineProblem, CommandError> {
    let code = match &error {
        CommandError::Refused(Refusal::CodeTaken { .. }) => "code_taken",
        CommandError::IdempotencyConflict { .. } => "idempotency_conflict",
        CommandError::TooLarge => "too_large",
        CommandError::Refused(_)
        | CommandError::Busy { .. }
        | CommandError::Unavailable(_)
        | CommandError::KeyStays(_)
        | CommandError::Load(_) => return Err(error),
    };
    Ok(LineProblem {
        code,
        detail: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use std::{fmt::Write as _, sync::Arc};

    use super::*;
    use crate::{
        commands::{
            create_gathering::CreateGathering,
            gathering_id_for,
            import::csv_lines,
            spec::{at, details},
        },
        events::{
            event::ActorRole,
            ids::CorrelationId,
            log::{
                Log, QUEUE_EVENTS_MAX,
                conformance::{checked_in, new_event},
                gate::Gate,
            },
        },
    };

    const LIST: &str = "first_name,last_name,email,code\n\
        Ana,Ruiz,ana@example.org,AR-1\n\
        Bo,Li,bo@example.org,\n\
        Bo,Li,bo@example.org,\n\
        Cy,Young,nonsense,CY-3\n\
        Di,Wu,,AR-1\n";

    fn context() -> Context {
        Context {
            actor_id: "boss".into(),
            actor_role: ActorRole::Creator,
            actor_name: None,
            correlation: CorrelationId::from_bytes([7; 16]),
            command_id: None,
            now: at(1_000),
        }
    }

    async fn opened() -> (CommandHandler, GatheringId) {
        let handler = CommandHandler::new(Log::in_memory());
        let gathering = gathering_id_for(None, "boss");
        let create = Command::CreateGathering(CreateGathering { details: details() });
        handler.handle(gathering, create, context()).await.unwrap();
        (handler, gathering)
    }

    /// Spawned, so that the future is known to be able to move between threads.
    async fn import_list(
        handler: &CommandHandler,
        gathering: GatheringId,
        list: &str,
    ) -> ImportReport {
        let (handler, lines) = (handler.clone(), csv_lines(list.as_bytes()).unwrap());
        let run = async move { import(&handler, gathering, lines, &context(), |_| ()).await };
        tokio::spawn(run).await.unwrap().unwrap()
    }

    fn rejected(report: &ImportReport) -> Vec<(u64, &'static str)> {
        report
            .rejected
            .iter()
            .map(|it| (it.line, it.code))
            .collect()
    }

    #[tokio::test]
    async fn good_lines_land_and_bad_ones_are_reported() {
        let (handler, gathering) = opened().await;
        let report = import_list(&handler, gathering, LIST).await;
        assert_eq!((report.accepted, report.unchanged, report.head), (3, 0, 4));
        assert_eq!(rejected(&report), [(5, "invalid_field"), (6, "code_taken")]);
    }

    #[tokio::test]
    async fn the_same_list_again_adds_nothing() {
        let (handler, gathering) = opened().await;
        import_list(&handler, gathering, LIST).await;
        for handler in [handler.clone(), CommandHandler::new(handler.log().clone())] {
            let report = import_list(&handler, gathering, LIST).await;
            assert_eq!((report.accepted, report.unchanged, report.head), (0, 3, 4));
            assert_eq!(rejected(&report), [(5, "invalid_field"), (6, "code_taken")]);
        }
        let longer = format!("{LIST}Ed,Moe,,ED-1\n");
        let report = import_list(&handler, gathering, &longer).await;
        assert_eq!((report.accepted, report.unchanged, report.head), (1, 3, 5));
    }

    #[tokio::test]
    async fn a_dry_run_says_the_same_and_appends_nothing() {
        let (handler, gathering) = opened().await;
        let dry = async || {
            let lines = csv_lines(LIST.as_bytes()).unwrap();
            dry_run(&handler, gathering, lines, &context(), |_| ())
                .await
                .unwrap()
        };
        let report = dry().await;
        assert_eq!((report.accepted, report.unchanged, report.head), (3, 0, 1));
        assert_eq!(rejected(&report), [(5, "invalid_field"), (6, "code_taken")]);
        import_list(&handler, gathering, LIST).await;
        let report = dry().await;
        assert_eq!((report.accepted, report.unchanged, report.head), (0, 3, 4));
        assert_eq!(rejected(&report), [(5, "invalid_field"), (6, "code_taken")]);
    }

    #[tokio::test]
    async fn a_list_of_several_chunks_lands_whole_with_its_progress() {
        let (handler, gathering) = opened().await;
        let lines_sent = CHUNK_LINES * 20 + 3;
        let mut list = "first_name,last_name,code\n".to_owned();
        for n in 0..lines_sent {
            writeln!(list, "Ana,Ruiz,P{n}").unwrap();
        }
        let mut seen = Vec::new();
        let lines = csv_lines(list.as_bytes()).unwrap();
        let report = import(&handler, gathering, lines, &context(), |it| {
            seen.push(it.accepted)
        })
        .await
        .unwrap();
        assert_eq!(report.accepted, lines_sent as u64);
        assert!(seen.is_sorted() && seen.last() == Some(&(lines_sent as u64)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_waits_while_the_log_takes_no_more_and_then_lands_whole() {
        let gate = Arc::new(Gate::default());
        let handler = CommandHandler::new(gate.log());
        let gathering = gathering_id_for(None, "boss");
        let create = Command::CreateGathering(CreateGathering { details: details() });
        gate.say(Ok(()));
        handler.handle(gathering, create, context()).await.unwrap();
        let elsewhere = new_event(gathering_id_for(None, "other"), checked_in("X-1"));
        while handler.log().append(elsewhere.clone()).is_ok() {}
        let head = 1 + QUEUE_EVENTS_MAX as u64;
        let mut waited = 0;
        let lines = csv_lines(LIST.as_bytes()).unwrap();
        let report = import(&handler, gathering, lines, &context(), |it| {
            // Told while it waits: a few times with nothing, then the disk goes on.
            waited += u32::from(it.accepted == 0);
            if waited == 3 {
                (0..=QUEUE_EVENTS_MAX).for_each(|_| gate.say(Ok(())));
            }
        })
        .await
        .unwrap();
        assert!(waited >= 3);
        assert_eq!((report.accepted, report.head), (3, head + 3));
        assert_eq!(rejected(&report), [(5, "invalid_field"), (6, "code_taken")]);
    }

    #[tokio::test]
    async fn an_unknown_gathering_imports_nothing() {
        let handler = CommandHandler::new(Log::in_memory());
        let lines = csv_lines(LIST.as_bytes()).unwrap();
        let nowhere = gathering_id_for(None, "boss");
        let outcome = import(&handler, nowhere, lines, &context(), |_| ()).await;
        assert!(matches!(
            outcome,
            Err(CommandError::Refused(Refusal::UnknownGathering))
        ));
    }
}
