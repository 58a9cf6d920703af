//! `portcullis policy access`: does this grant access to that, and is it public?

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use portcullis_analysis::{Access, Answer, Options as Scope, Wanted, access, public};
use portcullis_policy::Source;
use portcullis_policy::simulate::caller;
use serde_json::{Value, json};

use super::diff::{Format, Read, Requests, read};
use super::documents::Keys;
use super::told;

/// What is wanted; what is left out may be anything.
#[derive(Debug, Args)]
pub struct Options {
    /// The policies; one at a time if they name principals
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// An action or a pattern of actions, such as `ecs:RunTask`
    #[arg(long)]
    action: Option<String>,
    /// A resource or a pattern of resources
    #[arg(long)]
    resource: Option<String>,
    /// Who: the ARN of a user, role or session, a service such as `ecs-tasks.amazonaws.com`, or `anonymous`
    #[arg(long)]
    principal: Option<String>,
    #[command(flatten)]
    keys: Keys,
    /// Ask whether strangers get in: callers of whom the policy knows nothing
    #[arg(long, conflicts_with_all = ["action", "resource", "principal"])]
    public: bool,
    #[command(flatten)]
    requests: Requests,
    /// How to answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Answers with exit code 0 for no access, 1 for access, 2 for bad input and 3 if it cannot be told.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let policies: Vec<Read> = options
        .files
        .iter()
        .map(|path| read(path))
        .collect::<anyhow::Result<_>>()?;
    let sources: Vec<_> = policies.iter().map(Read::source).collect();
    let scope = options.requests.scope();
    let found = if options.public {
        strangers(&sources, scope)
    } else {
        let named = options.principal.as_deref().map(caller).transpose()?;
        let wanted = Wanted {
            action: options.action.as_deref(),
            resource: options.resource.as_deref(),
            principal: named,
            keys: options.keys.read()?,
        };
        access(&sources, &wanted, scope)?
    };
    match options.format {
        Format::Text => tell(&found, options.public),
        Format::Json => crate::say(&serde_json::to_string_pretty(&as_json(&found))?),
    }
    Ok(ExitCode::from(match found {
        Access::Never => 0,
        Access::Always | Access::Sometimes { .. } => 1,
        Access::CannotTell(_) => 3,
    }))
}

/// Whether one of the policies lets strangers in.
fn strangers(sources: &[Source<'_>], scope: Scope) -> Access {
    let mut found = Access::Never;
    for source in sources {
        match public(*source, scope) {
            Answer::NoMore => {}
            Answer::More(granted) => {
                return Access::Sometimes {
                    granted,
                    refused: None,
                };
            }
            Answer::CannotTell(cause) => found = Access::CannotTell(cause),
        }
    }
    found
}

fn tell(found: &Access, public: bool) {
    match found {
        Access::Never if public => crate::say("not public"),
        Access::Never => crate::say("never granted"),
        Access::Always => crate::say("always granted"),
        Access::CannotTell(cause) => crate::say(&format!("cannot tell: {cause}")),
        Access::Sometimes { granted, refused } => {
            crate::say(if public {
                "public: a stranger may do this:"
            } else {
                "granted in some cases, such as this:"
            });
            told::witness(granted);
            crate::say(&format!("  allowed by  {}", told::places(&granted.allowed_by)));
            if let Some(refused) = refused {
                crate::say("not granted in others, such as this:");
                told::witness(refused);
                if !refused.denied_by.is_empty() {
                    crate::say(&format!("  denied by   {}", told::places(&refused.denied_by)));
                }
            }
        }
    }
}

fn as_json(found: &Access) -> Value {
    match found {
        Access::Never => json!({"access": "NEVER"}),
        Access::Always => json!({"access": "ALWAYS"}),
        Access::CannotTell(cause) => json!({"access": "CANNOT_TELL", "reason": cause.to_string()}),
        Access::Sometimes { granted, refused } => json!({
            "access": "SOMETIMES",
            "granted": told::witness_as_json(granted),
            "refused": refused.as_ref().map(|refused| told::witness_as_json(refused)),
        }),
    }
}
