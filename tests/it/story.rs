//! Scripts of `tests/clients/` and what they need: the packages that `prepare.sh` installed, and a real
//! server that is killed and started again when the script asks for it on its standard output.
//!
//! What a script checks is in the script.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use crate::process::{Process, SECRET};

/// The server of a story, with the data directory that it has now.
struct Setting {
    dir: tempfile::TempDir,
    logs: usize,
    server: Option<Process>,
}

/// Runs the script to its end; a script that fails, fails the test with what it said.
pub(crate) fn tell(mut script: Command) {
    let mut setting = Setting::new();
    let address = setting.server.as_ref().unwrap().address;
    let mut script = script
        .env("DOORBOOK_URL", format!("http://{address}"))
        .env("DOORBOOK_JWT_SECRET", SECRET)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut complaint = script.stderr.take().unwrap();
    let complaint = thread::spawn(move || {
        let mut text = String::new();
        complaint.read_to_string(&mut text).map(|_| text)
    });
    let mut answers = script.stdin.take().unwrap();
    for line in BufReader::new(script.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        println!("{line}");
        if let Some(wish) = line.strip_prefix("please ") {
            setting.grant(wish);
            writeln!(answers, "done").unwrap();
        }
    }
    let complaint = complaint.join().unwrap().unwrap();
    assert!(script.wait().unwrap().success(), "{complaint}");
}

impl Setting {
    fn new() -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let server = Some(Process::start(&dir.path().join("log-0")));
        Self {
            dir,
            logs: 1,
            server,
        }
    }

    fn grant(&mut self, wish: &str) {
        match wish {
            "kill" => {}
            "replace the log" => self.logs += 1,
            _ => panic!("a script asks for {wish:?}"),
        }
        let data = self.dir.path().join(format!("log-{}", self.logs - 1));
        let killed = self.server.take().unwrap();
        let address = killed.address;
        killed.kill();
        self.server = Some(Process::start_at(&data, address));
    }
}

/// `node` with a script, which finds its packages.
pub(crate) fn node(path: &str) -> Command {
    let mut node = Command::new("node");
    node.env("NODE_PATH", prepared("node/node_modules"))
        .arg(script(path));
    node
}

pub(crate) fn script(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/clients")
        .join(path)
}

/// What `tests/clients/prepare.sh` put beside the build.
pub(crate) fn prepared(path: &str) -> PathBuf {
    // CARGO_TARGET_TMPDIR is <target>/tmp.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let path = target.join("clients").join(path);
    assert!(
        path.exists(),
        "{} is missing: run tests/clients/prepare.sh first (needs python3 and npm)",
        path.display()
    );
    path
}
