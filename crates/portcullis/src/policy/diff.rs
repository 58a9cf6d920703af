//! `portcullis policy diff`: may the second policy do anything that the first may not, and does it deny less?

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use portcullis_analysis::{Answer, Cause, Options as Scope, Witness, compare, denied_no_more};
use portcullis_policy::{Document, Effect, Kind, Source};
use serde_json::{Value, json};

use super::documents::refusal;
use super::input::PolicyFile;
use super::told;

/// Which policies to compare, and which requests count.
#[derive(Debug, Args)]
pub struct Options {
    /// The policy as it was
    old: PathBuf,
    /// The policy as it is to be
    new: PathBuf,
    /// Look for what the new one allows no more, too
    #[arg(long)]
    both: bool,
    #[command(flatten)]
    requests: Requests,
    /// How to answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// How to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Which requests count.
#[derive(Debug, Clone, Copy, Args)]
pub struct Requests {
    /// Count actions that the service reference does not know
    #[arg(long)]
    unknown_actions: bool,
    /// Count resources and key values that do not go with the action or the key
    #[arg(long)]
    unlikely: bool,
}

impl Requests {
    /// As the analysis takes them.
    pub fn scope(self) -> Scope {
        Scope {
            unknown_actions: self.unknown_actions,
            any_resource: self.unlikely,
            any_value: self.unlikely,
            ..Scope::default()
        }
    }
}

/// Compares two policies. The exit code says how it came out: 0 nothing new, 1 something new, 3 cannot tell.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let (old, new) = (read(&options.old)?, read(&options.new)?);
    let scope = options.requests.scope();
    let more = Difference::of(&old, &new, scope);
    let less = options.both.then(|| Difference::of(&new, &old, scope));
    match options.format {
        Format::Text => {
            more.tell(&old, &new, scope);
            if let Some(less) = &less {
                less.tell(&new, &old, scope);
            }
        }
        Format::Json => {
            let answer = json!({
                "moreInNew": as_json(&more.allowed),
                "deniedNoMoreInNew": as_json(&more.denied_no_more),
                "moreInOld": less.as_ref().map(|less| as_json(&less.allowed)),
                "deniedNoMoreInOld": less.as_ref().map(|less| as_json(&less.denied_no_more)),
            });
            crate::say(&serde_json::to_string_pretty(&answer)?);
        }
    }
    let code = more
        .exit_code()
        .max(less.as_ref().map_or(0, Difference::exit_code));
    Ok(ExitCode::from(code))
}

/// What one policy permits and the other does not, alone or beside other policies.
struct Difference {
    allowed: Answer,
    denied_no_more: Answer,
}

impl Difference {
    fn of(old: &Read, new: &Read, scope: Scope) -> Self {
        Self {
            allowed: old.compared_with(new, scope),
            denied_no_more: denied_no_more(&[old.source()], &[new.source()], scope),
        }
    }

    fn exit_code(&self) -> u8 {
        worst(&self.allowed).max(worst(&self.denied_no_more))
    }

    fn tell(&self, old: &Read, new: &Read, scope: Scope) {
        tell(old, new, &self.allowed, scope);
        tell_denials(old, new, &self.denied_no_more);
    }
}

/// A policy that could be read.
pub struct Read {
    name: String,
    document: Document,
}

/// Reads a policy as what it looks like.
pub fn read(path: &std::path::Path) -> anyhow::Result<Read> {
    let file = PolicyFile::read(path)?;
    let document = portcullis_analysis::read(&file.text)
        .map_err(|refused| anyhow!("{}", refusal(&file.name, &file.text, Kind::Identity, &refused)))?;
    Ok(Read {
        name: file.name,
        document,
    })
}

impl Read {
    /// As the engine takes it.
    pub fn source(&self) -> Source<'_> {
        Source {
            name: &self.name,
            arn: None,
            attached_to: None,
            document: &self.document,
        }
    }

    fn denies_something(&self) -> bool {
        let mut statements = self.document.statements().iter();
        statements.any(|statement| statement.effect == Effect::Deny)
    }

    /// What the other one allows and this one does not.
    fn compared_with(&self, other: &Self, scope: Scope) -> Answer {
        compare(&[self.source()], &[other.source()], scope)
    }
}

fn worst(answer: &Answer) -> u8 {
    match answer {
        Answer::NoMore => 0,
        Answer::More(_) => 1,
        Answer::CannotTell(Cause::Kinds) => super::BAD_INPUT,
        Answer::CannotTell(_) => 3,
    }
}

fn tell(old: &Read, new: &Read, answer: &Answer, scope: Scope) {
    match answer {
        Answer::NoMore => {
            crate::say(&format!("{} allows nothing that {} does not", new.name, old.name));
            tell_unlikely(old, new, scope);
        }
        Answer::CannotTell(cause) => {
            crate::say(&format!(
                "cannot tell whether {} allows anything that {} does not: {cause}",
                new.name, old.name
            ));
        }
        Answer::More(witness) => {
            crate::say(&format!(
                "{} allows something that {} does not:",
                new.name, old.name
            ));
            told::witness(witness);
            crate::say(&format!("  allowed by  {}", told::places(&witness.allowed_by)));
            crate::say(&if witness.denied_by.is_empty() {
                format!("  but         no statement of {} allows it", old.name)
            } else {
                format!("  but denied  by {}", told::places(&witness.denied_by))
            });
        }
    }
}

fn tell_denials(old: &Read, new: &Read, answer: &Answer) {
    match answer {
        Answer::NoMore if old.denies_something() => {
            crate::say(&format!("{} denies all that {} denies", new.name, old.name));
        }
        // Said already of what is allowed.
        Answer::NoMore | Answer::CannotTell(Cause::Kinds) => {}
        Answer::CannotTell(cause) => {
            crate::say(&format!(
                "cannot tell whether {} denies all that {} denies: {cause}",
                new.name, old.name
            ));
        }
        Answer::More(witness) => {
            crate::say(&format!(
                "{} no longer denies something that {} denies, whatever other policies allow:",
                new.name, old.name
            ));
            told::witness(witness);
            crate::say(&format!("  denied by   {}", told::places(&witness.denied_by)));
        }
    }
}

/// A difference in requests that nobody can make is worth a line, not an exit code.
fn tell_unlikely(old: &Read, new: &Read, scope: Scope) {
    let everything = Scope::everything();
    if scope == everything {
        return;
    }
    if let Answer::More(witness) = old.compared_with(new, everything) {
        let Witness { action, resource, .. } = &*witness;
        crate::say(&format!(
            "  they differ only in requests that do not occur, such as {action} on {resource} (see --unlikely, --unknown-actions)"
        ));
    }
}

fn as_json(answer: &Answer) -> Value {
    match answer {
        Answer::NoMore => json!({"answer": "NO_MORE"}),
        Answer::CannotTell(cause) => json!({"answer": "CANNOT_TELL", "reason": cause.to_string()}),
        Answer::More(witness) => json!({"answer": "MORE", "request": told::witness_as_json(witness)}),
    }
}
