//! The two registries.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use portcullis_api::ecr::{self, op};

use crate::process::{Process, free_address};
use crate::subject::{Client, Workshop, connect, root_key};

/// The repository of both.
pub const REPOSITORY: &str = "bench";

/// A registry that runs.
pub struct Side {
    pub process: Process,
    pub address: SocketAddr,
    /// The token of GetAuthorizationToken, where one is wanted.
    pub token: Option<String>,
    pub is_ours: bool,
}

/// Both.
pub struct Sides {
    pub ours: Side,
    pub theirs: Side,
}

impl Sides {
    /// Starts both, on the same disk.
    pub async fn start(workshop: &Workshop) -> Result<Self> {
        Ok(Self {
            ours: ours(workshop).await?,
            theirs: theirs(workshop.folder.path()).await?,
        })
    }

    /// Both; who is first changes from turn to turn.
    pub fn in_turn(&self, turn: usize) -> [&Side; 2] {
        match turn.is_multiple_of(2) {
            true => [&self.ours, &self.theirs],
            false => [&self.theirs, &self.ours],
        }
    }
}

async fn ours(workshop: &Workshop) -> Result<Side> {
    let (address, root) = (free_address()?, root_key());
    let mut command = workshop.serve(address, Some(&workshop.folder.path().join("ours")));
    command.env("PORTCULLIS_ROOT_ACCESS_KEY_ID", &root.id);
    command.env("PORTCULLIS_ROOT_SECRET_ACCESS_KEY", &root.secret);
    let process = Process::start_tied(&command)?;
    let mut client = Client::open(address, root).await?;
    let create = ecr::CreateRepositoryRequest {
        repository_name: REPOSITORY.to_owned(),
        ..Default::default()
    };
    client.call::<op::CreateRepository>(&create).await?;
    let token = client
        .call::<op::GetAuthorizationToken>(&Default::default())
        .await?;
    let token = token.authorization_data.into_iter().flatten().next();
    let token = token
        .and_then(|data| data.authorization_token)
        .context("no token came")?;
    Ok(Side {
        process,
        address,
        token: Some(token),
        is_ours: true,
    })
}

async fn theirs(folder: &Path) -> Result<Side> {
    let address = free_address()?;
    let configuration = format!(
        "version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: true\nhttp:\n  addr: {address}\n",
        folder.join("theirs").display()
    );
    let file = folder.join("registry.yml");
    fs::write(&file, configuration)?;
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(&file).stdin(Stdio::null());
    let process = Process::start_tied(&command)?;
    connect(address)
        .await
        .context("docker-registry does not listen: is Debian's package docker-registry installed?")?;
    Ok(Side {
        process,
        address,
        token: None,
        is_ours: false,
    })
}
