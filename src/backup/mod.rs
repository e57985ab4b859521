//! Copies of a log, and logs made of copies: the backup directory (`manifest`, `writing`, `restoring`) and
//! the file that moves a log between versions (`moving`). Knows files; where a log is read from is the
//! caller's matter.
//!
//! ```text
//! DEST/manifest.json        what is whole: written aside and renamed after each step, with its own SHA-256
//! DEST/frames/<first>.frames   commit frames as they are in the log, one behind the other, some 8 MiB
//! DEST/keys-<n>/            the key files (wrapped), the master key unless left out, the checkpoint key
//! ```
//!
//! **Consistent while serving.** Frames are copied up to a head H first, keys after them: a key is on the
//! disk before the event that needs it, so the keys then taken are enough for everything up to H, and more.
//! What is taken last is the list of who was erased: whose key went before it was read, or was still there,
//! is on it. So restoring drops those keys and appends the erasures that the frames do not tell of yet.
//!
//! **Interrupted anywhere.** `head` in the manifest is the offset up to which frames *and* keys are there;
//! segments behind it are of a run that has not ended, are kept for the next, and are not restored. A file
//! that the manifest does not name is half written and goes.
//!
//! **Who is erased stays erased.** Keys are in no frame, and each run replaces all of them (the old
//! generation is overwritten and removed). A copy of DEST made elsewhere before somebody was erased still
//! holds that key, wrapped, and the master key to open it: restore it with the erasures of something newer
//! (`Erasures`), or keep the master key apart from copies.

mod failure;
mod manifest;
mod moving;
mod restoring;
mod writing;

pub use failure::BackupError;
pub use manifest::{Erased, Manifest, Segment, read_manifest};
pub use moving::{Exporting, import_log, is_log_export};
pub use restoring::{Restored, Wishes, erasures_of, list_of, restore};
pub use writing::{KeyContent, Writing};
