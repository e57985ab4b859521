//! Small disks of a test's own: a file with an ext4 in it, mounted through a loop device, which can be
//! filled up and whose power can be cut. Needs root; says plainly when it cannot be had.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

pub(crate) struct LoopDisk {
    dir: TempDir,
    mounted: bool,
}

/// How a disk loses its power.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cut {
    /// The file system's own journal reaches the disk first.
    LogFlushed = 1,
    /// Nothing more reaches the disk.
    NothingFlushed = 2,
}

/// `FS_IOC_SHUTDOWN`: from here on the file system takes no write and keeps none that was not synced.
const SHUTDOWN: &str = "import fcntl,os,struct,sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', int(sys.argv[2])))";

impl LoopDisk {
    /// Makes and mounts a disk. The error says what this machine or user lacks.
    pub(crate) fn create(mib: u64) -> Result<Self, String> {
        if !is_root() {
            return Err("mounting a disk needs root".to_owned());
        }
        let dir =
            TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).map_err(|error| error.to_string())?;
        let mut disk = Self {
            dir,
            mounted: false,
        };
        let image = File::create(disk.image()).map_err(|error| error.to_string())?;
        image
            .set_len(mib * 1024 * 1024)
            .map_err(|error| error.to_string())?;
        fs::create_dir(disk.path()).map_err(|error| error.to_string())?;
        run(Command::new("mkfs.ext4")
            .args(["-q", "-F", "-m", "0"])
            .arg(disk.image()))?;
        disk.mount()?;
        Ok(disk)
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("mounted")
    }

    pub(crate) fn mount(&mut self) -> Result<(), String> {
        run(Command::new("mount")
            .args(["-o", "loop"])
            .arg(self.image())
            .arg(self.path()))?;
        self.mounted = true;
        Ok(())
    }

    pub(crate) fn unmount(&mut self) -> Result<(), String> {
        run(Command::new("umount").arg(self.path()))?;
        self.mounted = false;
        Ok(())
    }

    pub(crate) fn cut(&self, cut: Cut) -> Result<(), String> {
        let flag = (cut as u32).to_string();
        run(Command::new("python3")
            .args(["-c", SHUTDOWN])
            .arg(self.path())
            .arg(flag))
    }

    /// Takes all the space that is left.
    pub(crate) fn fill(&self) {
        let mut ballast = File::create(self.ballast()).unwrap();
        // Large pieces first, then small ones, until not one block is free.
        for piece in [1024 * 1024, 4096, 512] {
            let bytes = vec![0x5a_u8; piece];
            while ballast.write_all(&bytes).is_ok() {}
        }
        // The error of a full disk may come only now.
        if let Err(error) = ballast.sync_all() {
            println!("the ballast did not sync: {error}");
        }
        assert!(
            fs::metadata(self.ballast()).unwrap().blocks() > 0,
            "the disk was full before"
        );
    }

    pub(crate) fn free(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    fn image(&self) -> PathBuf {
        self.dir.path().join("image")
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        // A test that failed may have left a process with files open: detach at least, so that the
        // mount and its loop device go with the last of them.
        if self.mounted
            && let Err(error) = self
                .unmount()
                .or_else(|_| run(Command::new("umount").arg("--lazy").arg(self.path())))
        {
            println!("{} stays mounted: {error}", self.path().display());
        }
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!(
            "{name}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ))
    }
}

fn is_root() -> bool {
    fs::metadata(Path::new("/proc/self")).is_ok_and(|me| me.uid() == 0)
}
