//! `portcullis iam scim-token`: a bearer token with which an identity provider acts as an IAM user.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use portcullis_api::iam as api;
use portcullis_api::iam::op;

use crate::connection::Connection;

/// The service that the credential is for.
const SERVICE: &str = "scim.portcullis";

/// Whose token, and for how long.
#[derive(Debug, Args)]
pub struct Options {
    /// The IAM user whose policies decide what the token can do
    #[arg(long)]
    user: String,
    /// Days until the token ends; without it the token lasts until it is deleted
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..=36_600))]
    days: Option<i32>,
    #[command(flatten)]
    connection: Connection,
}

/// Makes the token and prints it, once.
pub async fn run(options: &Options) -> Result<ExitCode> {
    let client = options.connection.client()?;
    let request = api::CreateServiceSpecificCredentialRequest {
        user_name: options.user.clone(),
        service_name: SERVICE.to_owned(),
        credential_age_days: options.days,
    };
    let made = client
        .expect::<op::CreateServiceSpecificCredential>(&request)
        .await?;
    let made = made
        .service_specific_credential
        .context("the server did not tell the credential")?;
    let token = made
        .service_credential_secret
        .context("the server does not make tokens for SCIM")?;
    crate::say(&token);
    crate::complain(&format!(
        "Credential {} of user {}; the token is not shown again.",
        made.service_specific_credential_id, made.user_name
    ));
    Ok(ExitCode::SUCCESS)
}
