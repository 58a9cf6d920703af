//! Policies and condition keys for a decision, from files and options.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use portcullis_lint::{FindingKind, IssueCode};
use portcullis_policy::simulate::{ContextEntry, NamedPolicy, Policies};
use portcullis_policy::{Context, Document, Kind, Malformed, Position, Value};

use super::input::PolicyFile;

/// The policies beside those of the principal itself.
#[derive(Debug, Args)]
pub struct Sets {
    /// The permissions boundary
    #[arg(long, value_name = "FILE")]
    boundary: Option<PathBuf>,
    /// Session policies
    #[arg(long, value_name = "FILE", num_args = 1..)]
    session: Vec<PathBuf>,
    /// The policy of the resource
    #[arg(long, value_name = "FILE", conflicts_with = "trust")]
    resource_policy: Option<PathBuf>,
    /// The trust policy of the role that the resource is
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// A service control policy; repeat it for each level, from the root of the organization down
    #[arg(long = "scp", value_name = "FILE")]
    scps: Vec<PathBuf>,
    /// A resource control policy; repeat it for each level
    #[arg(long = "rcp", value_name = "FILE")]
    rcps: Vec<PathBuf>,
    /// The policy of the VPC endpoint the call comes through
    #[arg(long, value_name = "FILE")]
    endpoint: Option<PathBuf>,
}

impl Sets {
    /// All of them, with the principal's own.
    pub fn read(&self, identity: Vec<NamedPolicy>) -> anyhow::Result<Policies> {
        let one = |path: &Option<PathBuf>, kind| path.as_deref().map(|path| document(path, kind)).transpose();
        let levels = |paths: &[PathBuf], kind| -> anyhow::Result<Vec<_>> {
            paths.iter().map(|path| Ok(vec![document(path, kind)?])).collect()
        };
        let session = match self.session.is_empty() {
            true => None,
            false => Some(documents(&self.session, Kind::Session)?),
        };
        Ok(Policies {
            identity,
            boundary: one(&self.boundary, Kind::Boundary)?,
            session,
            resource: one(&self.trust, Kind::Trust)?.or(one(&self.resource_policy, Kind::Resource)?),
            scps: levels(&self.scps, Kind::ServiceControl)?,
            rcps: levels(&self.rcps, Kind::ResourceControl)?,
            endpoint: one(&self.endpoint, Kind::Endpoint)?,
        })
    }
}

/// The condition keys of the request.
#[derive(Debug, Args)]
pub struct Keys {
    /// A condition key; repeat it for the values of a multi-valued key, and write KEY= for an empty one
    #[arg(long = "context", value_name = "KEY=VALUE")]
    given: Vec<String>,
    /// A JSON object of condition keys; a list is a multi-valued key
    #[arg(long, value_name = "FILE")]
    context_file: Option<PathBuf>,
}

impl Keys {
    /// Those of the file, then those of the options.
    pub fn read(&self) -> anyhow::Result<Context> {
        let mut context = Context::new();
        if let Some(path) = &self.context_file {
            let file = PolicyFile::read(path)?;
            let entries: std::collections::BTreeMap<String, ContextEntry> = serde_json::from_str(&file.text)
                .map_err(|error| {
                    anyhow!(
                        "{}: {error}: strings, numbers, true, false and lists of them may be keys' values",
                        file.name
                    )
                })?;
            context.extend(
                entries
                    .iter()
                    .map(|(key, value)| (key.as_str(), Value::from(value))),
            );
        }
        let mut given = Context::new();
        for option in &self.given {
            let Some((key, value)) = option.split_once('=').filter(|(key, _)| !key.is_empty()) else {
                bail!("--context {option}: wanted KEY=VALUE");
            };
            let value = match given.get(key) {
                None => Value::from(value),
                Some(known) => {
                    let known = known.values().iter().cloned();
                    Value::Many(known.chain(std::iter::once(value.to_owned())).collect())
                }
            };
            given.insert(key, value);
        }
        context.extend(given.iter().map(|(key, value)| (key, value.clone())));
        Ok(context)
    }
}

/// Reads a policy as what it is meant to be.
pub fn document(path: &Path, kind: Kind) -> anyhow::Result<NamedPolicy> {
    let file = PolicyFile::read(path)?;
    let document = Document::parse(&file.text, kind)
        .map_err(|refused| anyhow!("{}", refusal(&file.name, &file.text, kind, &refused)))?;
    let name = path
        .file_name()
        .map_or(file.name, |name| name.to_string_lossy().into_owned());
    Ok(NamedPolicy { name, document })
}

/// Reads several.
pub fn documents(paths: &[PathBuf], kind: Kind) -> anyhow::Result<Vec<NamedPolicy>> {
    paths.iter().map(|path| document(path, kind)).collect()
}

/// What IAM says of a document it refuses. It does not say where; the linter does.
pub fn refusal(name: &str, text: &str, kind: Kind, refused: &Malformed) -> String {
    let findings = portcullis_lint::check(text, kind);
    let errors = || {
        findings
            .iter()
            .filter(|finding| finding.kind() == FindingKind::Error)
    };
    // Where the text is no JSON, what else seems wrong may come of that.
    let no_json = errors().find(|finding| finding.code == IssueCode::JsonSyntaxError);
    match no_json.or_else(|| errors().next()) {
        Some(error) => {
            let Position { line, column } = Position::of(text, error.span.start);
            format!("{name}:{line}:{column}: {refused} {}", error.message)
        }
        None => format!("{name}: {refused}"),
    }
}

/// The policies in a directory, by name.
pub fn in_directory(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry
            .with_context(|| format!("{} cannot be read", path.display()))?
            .path();
        if path.is_dir() || path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}
