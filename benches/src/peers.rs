//! Peers that come as Python packages: each gets a virtual environment of its own, made on first use
//! and made anew when its requirements change.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// Where a peer's files lie in the repository.
pub(crate) fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("peers")
        .join(name)
}

/// The `bin` directory of the peer's environment, with its requirements installed.
pub(crate) fn environment(name: &str) -> Result<PathBuf> {
    let requirements = source(name).join("requirements.txt");
    let wanted = fs::read_to_string(&requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let place = build_dir()?.join("bench-peers").join(name);
    let installed = place.join("installed.txt");
    let bin = place.join("venv/bin");
    if fs::read_to_string(&installed).is_ok_and(|have| have == wanted) {
        return Ok(bin);
    }
    eprintln!("installing {name} into {}", place.display());
    fs::create_dir_all(&place)?;
    run(Command::new("python3")
        .args(["-m", "venv"])
        .arg(place.join("venv")))?;
    run(Command::new(bin.join("pip"))
        .args(["install", "-q", "-r"])
        .arg(&requirements))?;
    fs::write(&installed, wanted)?;
    Ok(bin)
}

/// Runs a command to its end; what it said is the error when it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {name}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{name} failed with {}: {}", output.status, said.trim());
    }
    Ok(())
}

/// The directory the build writes to (`target`), two above this program.
fn build_dir() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let dir = program
        .ancestors()
        .nth(2)
        .context("this program lies in no build directory")?;
    Ok(dir.to_owned())
}
