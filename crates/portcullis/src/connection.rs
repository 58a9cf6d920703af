//! How commands that ask a running server reach it: as anybody does, with credentials, so that its access control holds.

use anyhow::{Result, bail};
use clap::Args;
use portcullis_core::Region;

use crate::client::{Client, Credentials};
use crate::secret_option::SecretOption;

/// Which server, and who asks.
#[derive(Debug, Args)]
pub struct Connection {
    /// The server, such as http://127.0.0.1:4566
    #[arg(long, env = "AWS_ENDPOINT_URL", default_value = "http://127.0.0.1:4566")]
    endpoint: String,
    /// Region to sign for
    #[arg(long, env = "AWS_DEFAULT_REGION", default_value = "us-east-1")]
    region: String,
    #[arg(long, env = "AWS_ACCESS_KEY_ID", hide = true)]
    access_key_id: Option<String>,
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", hide = true, hide_env_values = true)]
    secret_access_key: Option<SecretOption>,
    #[arg(long, env = "AWS_SESSION_TOKEN", hide = true, hide_env_values = true)]
    session_token: Option<SecretOption>,
}

impl Connection {
    /// The server.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The region to sign for.
    pub fn region(&self) -> Result<Region> {
        Ok(self.region.parse()?)
    }

    /// What to sign with.
    pub fn credentials(&self) -> Result<Credentials> {
        let (Some(id), Some(secret)) = (&self.access_key_id, &self.secret_access_key) else {
            bail!("there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
        };
        let token = self.session_token.clone().map(SecretOption::into_secret);
        let token = token.filter(|token| !token.expose().is_empty());
        Ok(Credentials::new(id, secret.clone().into_secret(), token))
    }

    /// A client with these credentials.
    pub fn client(&self) -> Result<Client> {
        if !self.endpoint.starts_with("http://") {
            bail!(
                "the server's address must be http://host:port, not `{}`; TLS is not spoken yet",
                self.endpoint
            );
        }
        Ok(Client::new(&self.endpoint, self.region()?, self.credentials()?))
    }
}
