//! The facts, in the past tense. These are the newest shapes, which commands make and views fold;
//! the shapes that lie on disk, frozen one per schema, are in `stored`.
//!
//! Personal data (names, e-mails, notes, free-text reasons) appears here only [`Sealed`].

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    ids::{Code, DoorTokenId, Offset, ParticipantId},
    time::Timestamp,
};

/// One fact about one gathering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An organizer opened the book for a gathering.
    GatheringCreated(GatheringDetails),
    /// An organizer changed it; the details as they are from now on, whole.
    GatheringChanged(GatheringDetails),
    /// Somebody joined the service team, changed role in it, or left (`door_role: None`).
    ServiceTeamChanged {
        user_id: Arc<str>,
        door_role: Option<DoorRole>,
    },
    /// A person has a ticket for the gathering.
    ParticipantRegistered(Registration),
    /// Admitted at a door.
    ParticipantCheckedIn(Scan),
    /// Left through a door.
    ParticipantCheckedOut(Scan),
    /// A known participant was turned away; nothing else changed.
    ScanRefused {
        scan: Scan,
        direction: Direction,
        code: RefusalCode,
        /// The scan that stands in the way (of `already_checked_in`), if there is one.
        previous: Option<Offset>,
    },
    /// The scan recorded at `undoes` no longer counts. The scan itself stays in the log.
    ScanUndone {
        subject: Subject,
        undoes: Offset,
        reason: Option<Sealed>,
    },
    /// The ticket is no longer good.
    RegistrationCancelled {
        subject: Subject,
        reason: Option<Sealed>,
    },
    /// The person's key is gone: what was sealed with it is unreadable from now on.
    ParticipantErased { subject: Subject },
    /// A door got a token of its own.
    DoorTokenMinted(DoorToken),
    /// The token is good for nothing from now on.
    DoorTokenRevoked { jti: DoorTokenId },
    /// Somebody is about to be given personal data.
    PersonalDataAccessed(Access),
}

/// Who an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    pub participant: ParticipantId,
    pub code: Code,
}

/// What an organizer says about a gathering. `creator` never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatheringDetails {
    pub name: Arc<str>,
    pub creator: Arc<str>,
    pub start_date: Timestamp,
    pub end_date: Option<Timestamp>,
    /// IANA name; local times in refusals are shown in it.
    pub time_zone: chrono_tz::Tz,
    pub capacity: Option<u32>,
    pub capacity_mode: CapacityMode,
    pub reentry: Reentry,
    /// The doors admit from this moment on, when given.
    pub opens_at: Option<Timestamp>,
    /// The doors admit before this moment, when given. People may leave at any time.
    pub closes_at: Option<Timestamp>,
    pub registration: RegistrationPolicy,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    pub subject: Subject,
    pub ticket_type: Option<Arc<str>>,
    pub external_id: Option<Arc<str>>,
    /// A [`Person`], sealed with the participant's key.
    pub person: Sealed,
}

/// What a door token says; the token itself is in no log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorToken {
    pub jti: DoorTokenId,
    /// What the staff call it, which may be a person's name: sealed with the gathering's key.
    pub name: Sealed,
    pub door_role: DoorRole,
    pub expires_at: Timestamp,
}

/// What somebody was given to read, never what it said, nor what they searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    pub what: Accessed,
    /// Whose data, when it was about one person.
    pub subject: Option<Subject>,
    /// How it was exported; none for a page or a stream.
    pub format: Option<ExportFormat>,
}

/// One reading of a ticket at a door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    pub subject: Subject,
    pub gate: Option<Arc<str>>,
    pub device: Option<Arc<str>>,
    pub device_seq: Option<u64>,
    pub mode: ScanMode,
    /// What a person at the desk should know: rules an offline fact broke, gaps in `device_seq`.
    pub warnings: Vec<Warning>,
    /// The refusal that a supervisor overrode to admit.
    pub overridden: Option<RefusalCode>,
    /// The override's reason, sealed with the participant's key.
    pub reason: Option<Sealed>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warning {
    /// This rule would have refused the scan; it was recorded because it had already happened.
    Rule(RefusalCode),
    /// The gathering is over its capacity, which only warns.
    OverCapacity,
    /// The device's scans after `last` and before `this` never arrived.
    DeviceGap { last: u64, this: u64 },
    /// The device says the scan happened later than the server's clock does.
    ClockAhead,
}

/// Bytes that only the holder of a participant's key can read: nonce, ciphertext, tag.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(pub Arc<[u8]>);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// What is known of a person, in clear. Lives in memory only; never `Debug`, so that it cannot
/// reach a log line.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    pub note: Option<String>,
}

macro_rules! word {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $number:literal $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[repr(u8)]
        pub enum $name {
            $(#[serde(rename = $text)] $variant = $number),+
        }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in requests and answers.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The number on disk. Numbers are never reused or reordered.
            #[must_use]
            pub const fn number(self) -> u8 {
                self as u8
            }

            #[must_use]
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        // By hand, because the derive does not see a `rename` that comes out of a macro.
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .enum_values(Some(Self::ALL.iter().map(|word| word.as_str())))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
        }
    };
}

word!(
    /// What a person may do at the doors of one gathering.
    DoorRole { Steward = 1 "steward", Supervisor = 2 "supervisor" }
);
word!(CapacityMode { Warn = 1 "warn", Refuse = 2 "refuse" });
word!(Reentry { AfterCheckOut = 1 "after_check_out", Never = 2 "never" });
word!(
    /// Who may register: the staff, or anybody signed in (for themselves).
    RegistrationPolicy { Staff = 1 "staff", Open = 2 "open" }
);
word!(Direction { In = 1 "in", Out = 2 "out" });
word!(
    /// `offline_fact`: it already happened at the door and is never refused.
    ScanMode { Online = 1 "online", OfflineFact = 2 "offline_fact" }
);
word!(
    /// Why a scan did not admit. `unknown_code` is never in the log: there is nobody to record it of.
    RefusalCode {
        UnknownCode = 1 "unknown_code",
        WrongEvent = 2 "wrong_event",
        AlreadyCheckedIn = 3 "already_checked_in",
        NotCheckedIn = 4 "not_checked_in",
        ReentryDenied = 5 "reentry_denied",
        Cancelled = 6 "cancelled",
        Erased = 7 "erased",
        NotOpenYet = 8 "not_open_yet",
        Closed = 9 "closed",
        CapacityFull = 10 "capacity_full",
    }
);
word!(
    /// What personal data was read.
    Accessed {
        Participants = 1 "participants",
        Participant = 2 "participant",
        History = 3 "history",
        LiveStream = 4 "live_stream",
        PersonExport = 5 "person_export",
        HistoryExport = 6 "history_export",
        Log = 7 "log",
    }
);
word!(
    ExportFormat { Json = 1 "json", Ndjson = 2 "ndjson", Csv = 3 "csv", Xlsx = 4 "xlsx" }
);
word!(
    /// In what capacity somebody acted.
    ActorRole {
        Superuser = 1 "superuser",
        Creator = 2 "creator",
        Supervisor = 3 "supervisor",
        Steward = 4 "steward",
        User = 5 "user",
        // The command line on a closed data directory, or the demo's crowd.
        Operator = 6 "operator",
        // Reads alone.
        Auditor = 7 "auditor",
    }
);

impl Event {
    /// All words that [`Self::type_name`] gives.
    pub const TYPE_NAMES: [&str; 13] = [
        "gathering_created",
        "gathering_changed",
        "service_team_changed",
        "participant_registered",
        "participant_checked_in",
        "participant_checked_out",
        "scan_refused",
        "scan_undone",
        "registration_cancelled",
        "participant_erased",
        "door_token_minted",
        "door_token_revoked",
        "personal_data_accessed",
    ];

    /// The word in history entries.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::GatheringCreated(_) => "gathering_created",
            Self::GatheringChanged(_) => "gathering_changed",
            Self::ServiceTeamChanged { .. } => "service_team_changed",
            Self::ParticipantRegistered(_) => "participant_registered",
            Self::ParticipantCheckedIn(_) => "participant_checked_in",
            Self::ParticipantCheckedOut(_) => "participant_checked_out",
            Self::ScanRefused { .. } => "scan_refused",
            Self::ScanUndone { .. } => "scan_undone",
            Self::RegistrationCancelled { .. } => "registration_cancelled",
            Self::ParticipantErased { .. } => "participant_erased",
            Self::DoorTokenMinted(_) => "door_token_minted",
            Self::DoorTokenRevoked { .. } => "door_token_revoked",
            Self::PersonalDataAccessed(_) => "personal_data_accessed",
        }
    }

    /// Who it is about; none for facts about the gathering itself.
    #[must_use]
    pub const fn subject(&self) -> Option<&Subject> {
        match self {
            Self::GatheringCreated(_)
            | Self::GatheringChanged(_)
            | Self::ServiceTeamChanged { .. }
            | Self::DoorTokenMinted(_)
            | Self::DoorTokenRevoked { .. } => None,
            Self::ParticipantRegistered(registration) => Some(&registration.subject),
            Self::ParticipantCheckedIn(scan) | Self::ParticipantCheckedOut(scan) => {
                Some(&scan.subject)
            }
            Self::ScanRefused { scan, .. } => Some(&scan.subject),
            Self::ScanUndone { subject, .. }
            | Self::RegistrationCancelled { subject, .. }
            | Self::ParticipantErased { subject } => Some(subject),
            Self::PersonalDataAccessed(access) => access.subject.as_ref(),
        }
    }

    /// The reading of a ticket that it records, if it is one.
    #[must_use]
    pub const fn scan(&self) -> Option<&Scan> {
        match self {
            Self::ParticipantCheckedIn(scan)
            | Self::ParticipantCheckedOut(scan)
            | Self::ScanRefused { scan, .. } => Some(scan),
            Self::GatheringCreated(_)
            | Self::GatheringChanged(_)
            | Self::ServiceTeamChanged { .. }
            | Self::ParticipantRegistered(_)
            | Self::ScanUndone { .. }
            | Self::RegistrationCancelled { .. }
            | Self::ParticipantErased { .. }
            | Self::DoorTokenMinted(_)
            | Self::DoorTokenRevoked { .. }
            | Self::PersonalDataAccessed(_) => None,
        }
    }
}
