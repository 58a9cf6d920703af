//! `portcullis policy check`: what is wrong, dangerous or pointless in policies.

mod files;
mod text;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use portcullis_lint::output::{self, Checked};
use portcullis_lint::{Finding, FindingKind, Kind, check, detect_kind};

use super::BAD_INPUT;
use super::input::PolicyFile;

/// Options of `policy check`.
#[derive(Debug, Args)]
pub struct Options {
    /// Policy files; `-` is standard input, a directory stands for its *.json files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What the policies are written for
    #[arg(long, value_enum, default_value_t = PolicyKind::Auto)]
    kind: PolicyKind,
    /// How to print what is found
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// From which findings on the command fails
    #[arg(long, value_enum, default_value_t = Threshold::Security)]
    fail_on: Threshold,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PolicyKind {
    /// Found out for each file from its content
    Auto,
    Identity,
    Boundary,
    Session,
    Trust,
    Resource,
    Scp,
    Rcp,
    Endpoint,
}

impl PolicyKind {
    fn of(self, text: &str) -> Kind {
        match self {
            Self::Auto => detect_kind(text),
            Self::Identity => Kind::Identity,
            Self::Boundary => Kind::Boundary,
            Self::Session => Kind::Session,
            Self::Trust => Kind::Trust,
            Self::Resource => Kind::Resource,
            Self::Scp => Kind::ServiceControl,
            Self::Rcp => Kind::ResourceControl,
            Self::Endpoint => Kind::Endpoint,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For people, with the place marked in the policy
    Text,
    /// The answer of Access Analyzer's ValidatePolicy
    Json,
    /// SARIF 2.1.0 for code scanning
    Sarif,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Threshold {
    Error,
    /// Errors and security warnings
    Security,
    Warning,
    Suggestion,
}

impl Threshold {
    fn kind(self) -> FindingKind {
        match self {
            Self::Error => FindingKind::Error,
            Self::Security => FindingKind::SecurityWarning,
            Self::Warning => FindingKind::Warning,
            Self::Suggestion => FindingKind::Suggestion,
        }
    }
}

/// Checks the files; exit code 1 says that something serious was found, 2 that a file could not be read.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let found = files::find(&options.files);
    for problem in &found.unreadable {
        crate::complain(&format!("portcullis: {problem:#}"));
    }
    let findings: Vec<Vec<Finding>> = found
        .policies
        .iter()
        .map(|file| check(&file.text, options.kind.of(&file.text)))
        .chain(found.not_text.iter().map(|garbled| vec![garbled.finding()]))
        .collect();
    let documents: Vec<Checked<'_>> = found
        .policies
        .iter()
        .chain(found.not_text.iter().map(|garbled| &garbled.file))
        .zip(&findings)
        .map(|(PolicyFile { name, text }, findings)| Checked { name, text, findings })
        .collect();
    match options.format {
        Format::Text => text::print(&documents, &found),
        Format::Json => print_json(&output::validate_policy(&documents).with_skipped(&found.skipped))?,
        Format::Sarif => print_json(&output::sarif(&documents).with_skipped(&found.skipped))?,
    }
    let worst = findings.iter().flatten().map(Finding::kind).max();
    Ok(if !found.unreadable.is_empty() || !found.not_text.is_empty() {
        ExitCode::from(BAD_INPUT)
    } else if worst.is_some_and(|kind| kind >= options.fail_on.kind()) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    crate::say(&serde_json::to_string_pretty(value)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        options: Options,
    }

    const CLEAN: &str = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ecs:ListClusters",
        "Resource": "*"}}"#;
    const MISSPELT: &str = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ecs:DescribeCluster",
        "Resource": "*"}}"#;
    const WARNED: &str = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ecs:RunTask",
        "Resource": "arn:aws:ecs:us-east-1:123456789012:task-definition/web"}}"#;

    fn run_in(folder: &Path, arguments: &[&str]) -> ExitCode {
        let files = arguments.iter().map(|argument| match argument.starts_with("--") {
            true => (*argument).to_owned(),
            false => folder.join(argument).display().to_string(),
        });
        let command = Command::parse_from(std::iter::once("check".to_owned()).chain(files));
        run(&command.options).unwrap()
    }

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn the_exit_code_says_what_was_found() {
        let folder = folder(&[
            ("clean.json", CLEAN),
            ("misspelt.json", MISSPELT),
            ("warned.json", WARNED),
        ]);
        let run = |arguments: &[&str]| run_in(folder.path(), arguments);
        assert_eq!(run(&["clean.json"]), ExitCode::SUCCESS);
        assert_eq!(run(&["misspelt.json"]), ExitCode::FAILURE);
        assert_eq!(
            run(&["clean.json", "misspelt.json", "--format=json"]),
            ExitCode::FAILURE
        );
        assert_eq!(run(&["warned.json"]), ExitCode::SUCCESS);
        assert_eq!(
            run(&["warned.json", "--fail-on=warning", "--format=sarif"]),
            ExitCode::FAILURE
        );
        assert_eq!(run(&["clean.json", "missing.json"]), ExitCode::from(BAD_INPUT));
    }

    #[test]
    fn directories_are_walked_for_policies() {
        let folder = folder(&[
            ("a/policy.json", CLEAN),
            ("a/b/broken.json", "{\"Statement\": ["),
            ("a/package.json", "{\"name\": \"x\"}"),
            ("a/notes.txt", MISSPELT),
        ]);
        let found = files::find(&[folder.path().to_owned()]);
        let names: Vec<&str> = found
            .policies
            .iter()
            .filter_map(|file| file.name.rsplit('/').next())
            .collect();
        assert_eq!(names, ["broken.json", "policy.json"]);
        assert!(found.unreadable.is_empty());
    }

    #[test]
    fn files_of_a_directory_that_look_meant_as_policies_do_not_vanish() {
        let folder = folder(&[
            ("a/empty.json", ""),
            ("a/hello.json", "hello"),
            ("a/list.json", "[1]"),
            ("a/package.json", "{\"name\": \"x\", \"version\": \"1.0.0\"}"),
            (
                "a/statements.JSON",
                "{\"Version\": \"2012-10-17\", \"Statements\": []}",
            ),
            ("a/version.json", "{\"Version\": \"2012-10-17\"}"),
        ]);
        let last = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
        let found = files::find(&[folder.path().to_owned()]);
        let policies: Vec<String> = found.policies.iter().map(|file| last(&file.name)).collect();
        assert_eq!(
            policies,
            ["empty.json", "hello.json", "statements.JSON", "version.json"]
        );
        let skipped: Vec<String> = found.skipped.iter().map(|name| last(name)).collect();
        assert_eq!(skipped, ["list.json", "package.json"]);
        assert_eq!(run_in(folder.path(), &["a"]), ExitCode::FAILURE);
    }

    #[test]
    fn what_is_not_text_is_unreadable() {
        let folder = folder(&[]);
        std::fs::write(folder.path().join("x.json"), b"\xff\xfe").unwrap();
        assert_eq!(run_in(folder.path(), &["x.json"]), ExitCode::from(BAD_INPUT));
    }
}
