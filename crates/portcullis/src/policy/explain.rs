//! `portcullis policy explain`: one request, decided from files, with every reason.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args, ValueEnum};
use portcullis_core::{Clock as _, SystemClock};
use portcullis_policy::simulate::{Question, actions, caller};
use portcullis_policy::terminal::{self, Style};
use portcullis_policy::{Explanation, Kind, Outcome};

use super::documents::{Keys, Sets, documents};
use super::question::{is_action, known_form, oddity};
use crate::say;

/// Decide one request from policy files and say why.
///
/// Keys that the caller, the resource's ARN and the clock give are filled in as the server would: aws:PrincipalArn,
/// aws:PrincipalAccount, aws:PrincipalType, aws:username (users), aws:PrincipalIsAWSService, aws:PrincipalServiceName
/// (services), aws:TokenIssueTime and aws:MultiFactorAuthPresent=false (role sessions), aws:CurrentTime, aws:EpochTime,
/// aws:SecureTransport=true, aws:ViaAWSService=false, aws:ResourceAccount and aws:RequestedRegion. --context goes before
/// them.
///
/// Ends with 0 when the request is allowed, 1 when it is denied, 2 when it could not be decided.
#[derive(Debug, Args)]
pub struct Options {
    /// Who asks: the ARN of a user, role, role session or federated user, an account or its root, a service, or `*`
    #[arg(long, value_name = "ARN")]
    principal: String,
    /// What for
    #[arg(long)]
    action: String,
    /// On what
    #[arg(long, default_value = "*", value_name = "ARN")]
    resource: String,
    /// Identity-based policies of the principal
    #[arg(long = "policy", value_name = "FILE", num_args = 1..)]
    policies: Vec<PathBuf>,
    #[command(flatten)]
    sets: Sets,
    #[command(flatten)]
    keys: Keys,
    /// How to say it
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    format: Format,
    /// Use no colours, even in a terminal
    #[arg(long, env = "NO_COLOR", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    no_color: bool,
}

/// How to say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The decision and its reason in one line
    OneLine,
    /// The policies' own text with the places marked that decided
    Terminal,
    /// Everything, in the shape of GetRequestAuthorizationDetails
    Json,
    /// What AWS tells the caller
    Message,
}

/// Runs the tool.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let explanation = explain(options)?;
    match options.format {
        Format::OneLine => say(&explanation.one_line()),
        Format::Terminal => {
            let style = Style {
                colours: !options.no_color && std::io::stdout().is_terminal(),
                ..Style::default()
            };
            say(terminal::page(&explanation, style).trim_end());
        }
        Format::Json => say(&serde_json::to_string_pretty(&explanation)?),
        Format::Message => say(&explanation.message().unwrap_or_else(|| explanation.one_line())),
    }
    if options.format != Format::Json {
        hint(&explanation);
    }
    Ok(match explanation.outcome {
        Outcome::Allow => ExitCode::SUCCESS,
        Outcome::ExplicitDeny | Outcome::ImplicitDeny => ExitCode::from(1),
    })
}

fn explain(options: &Options) -> anyhow::Result<Explanation> {
    let principal = caller(&options.principal)?;
    known_form(&options.resource)?;
    let action = match actions(&options.action).as_slice() {
        [only] if is_action(only) => only.clone(),
        [only] => bail!("--action {only}: wanted SERVICE:NAME, such as ecs:RunTask"),
        [] => bail!("--action {}: no action matches", options.action),
        several => bail!(
            "--action {} stands for {} actions; give one, or use `portcullis policy simulate`",
            options.action,
            several.len()
        ),
    };
    let policies = options.sets.read(documents(&options.policies, Kind::Identity)?)?;
    let given = options.keys.read()?;
    let question = Question {
        principal: &principal,
        action: &action,
        resource: &options.resource,
        given: &given,
    };
    Ok(question.explain(&policies, SystemClock.now()))
}

/// What the caller may have forgotten to say.
fn hint(explanation: &Explanation) {
    let missing = explanation.missing_keys();
    if !missing.is_empty() {
        crate::complain(&format!(
            "hint: conditions ask for {}, which the request does not have; give it with --context KEY=VALUE",
            missing.join(", ")
        ));
    }
    if let Some(oddity) = oddity(&explanation.action, &explanation.resource) {
        crate::complain(&format!("hint: {oddity}"));
    }
}
