//! The payload about who read personal data, frozen like those of `stored`.

use serde::{Deserialize, Serialize};

use super::{
    codec::DecodeError,
    event::{Access, Accessed, ExportFormat},
    stored::{SubjectV1, optional_word, word},
};

#[derive(Serialize, Deserialize)]
pub(super) struct PersonalDataAccessedV1<'a> {
    what: u8,
    #[serde(borrow)]
    subject: Option<SubjectV1<'a>>,
    format: Option<u8>,
}

impl<'a> From<&'a Access> for PersonalDataAccessedV1<'a> {
    fn from(access: &'a Access) -> Self {
        Self {
            what: access.what.number(),
            subject: access.subject.as_ref().map(SubjectV1::from),
            format: access.format.map(ExportFormat::number),
        }
    }
}

impl TryFrom<PersonalDataAccessedV1<'_>> for Access {
    type Error = DecodeError;

    fn try_from(stored: PersonalDataAccessedV1<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            what: word(stored.what, "accessed data", Accessed::from_number)?,
            subject: stored.subject.map(TryInto::try_into).transpose()?,
            format: optional_word(stored.format, "export format", ExportFormat::from_number)?,
        })
    }
}
