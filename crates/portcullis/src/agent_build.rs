//! `portcullis agent-build`: the operator's key, and builds signed by it (docs/agent-updates.md).

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::{Args, Subcommand};
use portcullis_core::{Secret, SystemRandom};
use portcullis_wire::agent_build::{
    BUILD_BYTES_MAX, SIGNATURE_SUFFIX, SignedBuild, Version, own_architecture,
};
use portcullis_wire::agent_proof::{AgentKey, digest};

/// What others may not have of the key's file.
const OTHERS: u32 = 0o077;

/// Make and sign builds of the agent, for `portcullis serve --agent-builds`
#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a key to sign builds with, and print its public half for `portcullis agent --update-public-key`
    Key {
        /// The file to write; only its owner may read it
        #[arg(value_name = "KEY-FILE")]
        file: PathBuf,
    },
    /// Sign a build and put it, with its signature, into the folder of `portcullis serve --agent-builds`
    Sign {
        /// The key's file
        #[arg(long, value_name = "KEY-FILE")]
        key: PathBuf,
        /// The program
        #[arg(value_name = "PROGRAM")]
        program: PathBuf,
        /// Its version, as `PROGRAM --version` prints it
        #[arg(long)]
        version: String,
        /// What it runs on: x86_64, arm64 [default: as this machine]
        #[arg(long)]
        architecture: Option<String>,
        /// The folder
        #[arg(long, value_name = "FOLDER")]
        into: PathBuf,
    },
}

/// Runs the command.
pub fn run(options: Options) -> Result<ExitCode> {
    match options.command {
        Command::Key { file } => make_key(&file)?,
        Command::Sign {
            key,
            program,
            version,
            architecture,
            into,
        } => {
            let architecture = architecture.as_deref().unwrap_or(own_architecture());
            sign(&read_key(&key)?, &program, &version, architecture, &into)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn make_key(file: &Path) -> Result<()> {
    let key = AgentKey::generate(&SystemRandom).map_err(|_| anyhow!("no key could be made"))?;
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(file);
    let mut opened = opened.with_context(|| format!("{} cannot be made", file.display()))?;
    writeln!(opened, "{}", key.secret().expose())?;
    opened.sync_all()?;
    crate::say(&key.public().to_string());
    Ok(())
}

fn read_key(file: &Path) -> Result<AgentKey> {
    let unreadable = || format!("{} cannot be read", file.display());
    if fs::metadata(file).with_context(unreadable)?.permissions().mode() & OTHERS != 0 {
        bail!(
            "{} can be read by others: make a new key, or `chmod 600` it if nobody did",
            file.display()
        );
    }
    let text = fs::read_to_string(file).with_context(unreadable)?;
    AgentKey::from_secret(&Secret::new(text.trim())).map_err(|_| {
        anyhow!(
            "{} holds no key; make one with `portcullis agent-build key`",
            file.display()
        )
    })
}

/// The signature last: a server reads no build without one.
fn sign(key: &AgentKey, program: &Path, version: &str, architecture: &str, into: &Path) -> Result<()> {
    let version: Version = version
        .parse()
        .map_err(|_| anyhow!("`{version}` is no version: give three numbers, such as 1.2.3"))?;
    let bytes = fs::read(program).with_context(|| format!("{} cannot be read", program.display()))?;
    if bytes.is_empty() || bytes.len() as u64 > BUILD_BYTES_MAX {
        bail!("{} has no size that a build can have", program.display());
    }
    let sha256: String = digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let build = SignedBuild::sign(key, version, architecture, &sha256)
        .ok_or_else(|| anyhow!("`{architecture}` is no architecture: give x86_64 or arm64"))?;
    fs::create_dir_all(into).with_context(|| format!("{} cannot be made", into.display()))?;
    let name = build.file_name();
    put(&into.join(&name), &bytes)?;
    put(
        &into.join(format!("{name}{SIGNATURE_SUFFIX}")),
        serde_json::to_string(&build)?.as_bytes(),
    )?;
    crate::say(&format!("{name} {sha256}"));
    Ok(())
}

fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    let unfinished = path.with_extension("unfinished");
    let written = fs::write(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, path));
    written.with_context(|| format!("{} cannot be written", path.display()))
}
