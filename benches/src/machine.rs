//! What was measured on: a figure without its machine, disk and file system says nothing.

use std::{fmt, fs, path::Path};

use anyhow::{Result, bail};

pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    memory_gib: f64,
    kernel: String,
    file_system: String,
    device: String,
}

/// Describes this machine and the disk that holds `dir`.
pub(crate) fn describe(dir: &Path) -> Result<Machine> {
    let (file_system, device) = mount_of(dir)?;
    Ok(Machine {
        cpu: field(&fs::read_to_string("/proc/cpuinfo")?, "model name"),
        cores: std::thread::available_parallelism()?.get(),
        memory_gib: kib_of_memory(&fs::read_to_string("/proc/meminfo")?) / (1024.0 * 1024.0),
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?
            .trim()
            .to_owned(),
        file_system,
        device,
    })
}

/// A sync on a memory file system costs nothing, so a figure taken there would be a lie.
pub(crate) fn refuse_memory_disk(dir: &Path) -> Result<()> {
    let (file_system, device) = mount_of(dir)?;
    if matches!(
        file_system.as_str(),
        "tmpfs" | "ramfs" | "devtmpfs" | "rootfs"
    ) {
        bail!(
            "{} is on {file_system} ({device}), where a sync costs nothing; give --dir on a real disk",
            dir.display()
        );
    }
    Ok(())
}

/// File system type and source of the mount that holds `dir`: the longest mount point that is a
/// parent of it, the last one when several are stacked.
fn mount_of(dir: &Path) -> Result<(String, String)> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let found = mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let (source, point, kind) = (words.next()?, words.next()?, words.next()?);
            let point = point.replace("\\040", " ");
            dir.starts_with(&point)
                .then(|| (point.len(), kind.to_owned(), source.to_owned()))
        })
        .enumerate()
        .max_by_key(|(index, (length, ..))| (*length, *index));
    match found {
        Some((_, (_, kind, source))) => Ok((kind, source)),
        None => bail!("no mount holds {}", dir.display()),
    }
}

fn field(text: &str, name: &str) -> String {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map_or_else(
            || "unknown".to_owned(),
            |(_, value)| value.trim().to_owned(),
        )
}

fn kib_of_memory(meminfo: &str) -> f64 {
    field(meminfo, "MemTotal")
        .trim_end_matches(" kB")
        .parse()
        .unwrap_or(0.0)
}

impl Machine {
    pub(crate) fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "cpu": self.cpu, "cores": self.cores, "memory_gib": self.memory_gib, "kernel": self.kernel,
            "file_system": self.file_system, "device": self.device,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({} cores), {:.0} GiB, Linux {}, {} on {}",
            self.cpu, self.cores, self.memory_gib, self.kernel, self.file_system, self.device
        )
    }
}
