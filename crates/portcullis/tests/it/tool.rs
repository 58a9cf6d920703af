//! The program, run as people run it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What a run said and how it ended.
pub struct Run {
    pub stdout: String,
    pub stderr: String,
    pub code: i32,
}

impl Run {
    /// Everything a person would see.
    pub fn page(&self) -> String {
        let Self { stdout, stderr, code } = self;
        format!("{stdout}--- {code}\n{stderr}")
    }
}

/// A directory with policies.
pub struct Desk(tempfile::TempDir);

impl Desk {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn file(&self, name: &str, text: &str) -> &Self {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// A policy of the mission.
    pub fn mission(&self, name: &str) -> &Self {
        self.file(name, &std::fs::read_to_string(mission().join(name)).unwrap())
    }

    /// Runs `portcullis policy ...` in the directory.
    pub fn policy(&self, arguments: &[&str]) -> Run {
        let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .arg("policy")
            .args(arguments)
            .current_dir(self.path())
            .env_remove("NO_COLOR")
            .output()
            .unwrap();
        Run {
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code().unwrap(),
        }
    }

    /// Runs it with a standard error whose reader has gone away: how it ended.
    pub fn policy_unheard(&self, arguments: &[&str]) -> Option<i32> {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .arg("policy")
            .args(arguments)
            .current_dir(self.path())
            .stdout(writer.try_clone().unwrap())
            .stderr(writer)
            .spawn()
            .unwrap();
        child.wait().unwrap().code()
    }
}

/// Where the policies of the mission are.
pub fn mission() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../policy/tests/data")
}
