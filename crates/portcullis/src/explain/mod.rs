//! `portcullis explain`: why a running server refused a request, by the authorization id in the refusal.

mod page;
mod replay;
#[cfg(test)]
mod tests;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args};
use portcullis_api::iam_toolbox::op::{GetRequestAuthorizationDetails, GetRequestAuthorizationPolicy};
use portcullis_api::iam_toolbox::{
    GetRequestAuthorizationDetailsInput, GetRequestAuthorizationDetailsOutput,
    GetRequestAuthorizationPolicyInput,
};
use portcullis_policy::terminal::Style;

use crate::client::{Client, Refusal};
use crate::connection::Connection;
use crate::printable::{make_printable, printable};
use crate::say;
use page::Page;
use replay::Policy;

/// Fewest letters and digits that pass for an id; ours have 25 (policy-language R175).
const ID_LENGTH_MIN: usize = 16;

/// Say why a server refused a request.
///
/// The refusal's message names an authorization id; servers know it for a week. Everything is told to callers who may
/// iam:GetRequestAuthorizationDetails, the policies' own text to those who may iam:GetRequestAuthorizationPolicy as well;
/// who was refused learns without permission which kinds of policy refused it.
///
/// Ends with 0 when the refusal is found, 1 when it is not or may not be seen, 2 when the server could not be asked.
#[derive(Debug, Args)]
pub struct Options {
    /// The authorization id, or the whole text it is in: a refusal, a task's stoppedReason, a reply
    #[arg(value_name = "ID")]
    id: String,
    /// Print the answer of GetRequestAuthorizationDetails, with what is ours under `portcullis`
    #[arg(long)]
    json: bool,
    /// Use no colours, even in a terminal
    #[arg(long, env = "NO_COLOR", action = ArgAction::SetTrue, value_parser = FalseyValueParser::new())]
    no_color: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Runs the command.
pub async fn run(options: Options) -> Result<ExitCode> {
    Ok(match explain(&options).await? {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => {
            crate::complain(&format!("portcullis: {refusal}"));
            ExitCode::from(1)
        }
    })
}

async fn explain(options: &Options) -> Result<Result<(), Refusal>> {
    let client = options.connection.client()?;
    let Some(id) = authorization_id(&options.id) else {
        bail!(
            "there is no authorization id in what was given: give the word of 25 small letters and digits that comes \
             after \"authorization id:\" in the refusal, or the whole message"
        );
    };
    let told = if options.json {
        json(&client, id).await?
    } else {
        let style = Style {
            colours: !options.no_color && std::io::stdout().is_terminal(),
            ..Style::default()
        };
        page(&client, id, style).await?
    };
    Ok(told.map(|text| say(text.trim_end())))
}

/// The id in what was pasted: the word after `authorization id:`, wherever that is, or else the last one.
fn authorization_id(text: &str) -> Option<&str> {
    let after = text.rsplit_once("authorization id:").map(|(_, after)| after);
    let is_letter = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let mut words = after.unwrap_or(text).split_whitespace();
    let word = match after {
        Some(_) => words.next(),
        None => words.next_back(),
    }?;
    let word = word.trim_start_matches(|letter: char| !is_letter(letter));
    let end = word.find(|letter: char| !is_letter(letter)).unwrap_or(word.len());
    word.get(..end).filter(|id| id.len() >= ID_LENGTH_MIN)
}

async fn json(client: &Client, id: &str) -> Result<Result<String, Refusal>> {
    match details(client, id).await? {
        Ok(details) => {
            let value = portcullis_wire::json::to_value(&details);
            Ok(Ok(serde_json::to_string_pretty(&value)?))
        }
        Err(refusal) => Ok(Err(refusal)),
    }
}

async fn page(client: &Client, id: &str, style: Style) -> Result<Result<String, Refusal>> {
    let details = match details(client, id).await? {
        Ok(details) => with_printable_names(details),
        Err(refusal) => return Ok(Err(refusal)),
    };
    let policies = policies(client, id, &details).await?;
    let page = Page {
        details: &details,
        policies: policies.as_deref(),
        style,
    };
    Ok(Ok(page.to_string()))
}

/// Whoever was refused chose the names.
fn with_printable_names(
    mut details: GetRequestAuthorizationDetailsOutput,
) -> GetRequestAuthorizationDetailsOutput {
    details.request_context.values_mut().for_each(make_printable);
    for evaluation in &mut details.evaluations {
        evaluation.resource = printable(&evaluation.resource);
        evaluation
            .context
            .iter_mut()
            .flat_map(|context| context.values_mut())
            .for_each(make_printable);
        evaluation.portcullis.iter_mut().for_each(make_printable);
    }
    details
}

/// All pages of the details.
async fn details(client: &Client, id: &str) -> Result<Result<GetRequestAuthorizationDetailsOutput, Refusal>> {
    let mut input = GetRequestAuthorizationDetailsInput {
        authorization_id: id.to_owned(),
        next_token: None,
        portcullis: Some(true),
    };
    let mut whole = GetRequestAuthorizationDetailsOutput::default();
    loop {
        let page = match client
            .call::<GetRequestAuthorizationDetails>(&input)
            .await?
            .result
        {
            Ok(page) => page,
            Err(refusal) => return Ok(Err(refusal)),
        };
        whole.request_context = page.request_context;
        whole.policies = page.policies;
        whole.evaluations.extend(page.evaluations);
        input.next_token = page.next_token;
        if input.next_token.is_none() {
            return Ok(Ok(whole));
        }
    }
}

/// The policies as they were; `None` when the server does not give them to this caller.
async fn policies(
    client: &Client,
    id: &str,
    details: &GetRequestAuthorizationDetailsOutput,
) -> Result<Option<Vec<Policy>>> {
    let mut policies = Vec::new();
    for info in &details.policies {
        let input = GetRequestAuthorizationPolicyInput {
            authorization_id: id.to_owned(),
            policy_uri: info.uri.clone().unwrap_or_default(),
        };
        match client.call::<GetRequestAuthorizationPolicy>(&input).await?.result {
            Ok(output) => policies.push(Policy::of(info, &output.policy_document)?),
            Err(_) => return Ok(None),
        }
    }
    Ok(Some(policies))
}
