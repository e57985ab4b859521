//! The HS256 secret: given, or made once in the data directory. Wiped when dropped, never shown.

use std::{fmt, io, path::Path};

use zeroize::Zeroizing;

use super::read_small;
use crate::auth::SECRET_BYTES_MIN;

/// The secret made once in the data directory when none is given.
const SECRET_FILE: &str = "jwt-secret";

/// Where the HS256 secret comes from.
#[derive(Debug, Clone)]
pub enum SecretSource {
    Given(Secret),
    /// Read from the data directory, made there when missing.
    DataDir,
}

/// Bytes that are wiped when dropped and never shown.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

/// The secret in the data directory, made (32 random bytes in hex, mode 0600) when missing.
///
/// # Errors
/// When the file cannot be read or made, or holds fewer than 32 bytes.
pub fn secret_in(data_dir: &Path) -> io::Result<Secret> {
    let path = data_dir.join(SECRET_FILE);
    if !path.exists() {
        make_secret(data_dir, &path)?;
    }
    Secret::read(&path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// Written aside and linked into place, so that of two that start at once both read the same one.
fn make_secret(data_dir: &Path, path: &Path) -> io::Result<()> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    std::fs::create_dir_all(data_dir)?;
    let mut bytes = Zeroizing::new([0_u8; 32]);
    getrandom::fill(bytes.as_mut()).map_err(io::Error::other)?;
    let aside = data_dir.join(format!("{SECRET_FILE}.{}", uuid::Uuid::now_v7().simple()));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&aside)?;
    file.write_all(Zeroizing::new(hex::encode(bytes.as_ref())).as_bytes())?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&aside, path);
    std::fs::remove_file(&aside)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => std::fs::File::open(data_dir)?.sync_all(),
    }
}

impl Secret {
    /// # Errors
    /// With fewer than 32 bytes.
    pub fn new(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() < SECRET_BYTES_MIN {
            return Err(format!(
                "the HS256 secret has {} bytes; at least {SECRET_BYTES_MIN} are needed",
                bytes.len()
            ));
        }
        Ok(Self(Zeroizing::new(bytes.to_vec())))
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The file's bytes without the line break that editors put at the end.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let bytes = Zeroizing::new(read_small(path)?);
        Self::new(bytes.trim_ascii_end())
            .map_err(|problem| io::Error::new(io::ErrorKind::InvalidData, problem))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
