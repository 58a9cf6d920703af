//! Putting the fence up and taking it down, with nft, or iptables where there is no nft.

use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::NetworkError;
use super::rules::{CHAINS, Fence, NFT_TABLE};

/// Where the tools are, also for an agent that was started with a user's path.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// All our cables, as iptables writes it.
const CABLES: &str = "pcv+";
/// Where they are let through: the first that is there.
const FORWARD_CHAINS: [&str; 2] = ["DOCKER-USER", "FORWARD"];

/// The tool in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Firewall {
    /// nft.
    Nft,
    /// iptables and ip6tables.
    Iptables,
}

impl Firewall {
    /// The first tool that is there and works.
    pub(crate) async fn detect() -> Result<Self, NetworkError> {
        for (tool, probe) in [(Self::Nft, "nft"), (Self::Iptables, "iptables-restore")] {
            if run(probe, &["--version"], None).await.is_ok() {
                return Ok(tool);
            }
        }
        Err(NetworkError::Firewall(
            "neither nft nor iptables is there; install nftables".to_owned(),
        ))
    }

    /// Whose tables they are, for the operator.
    pub(crate) fn place(self) -> &'static str {
        match self {
            Self::Nft => "nftables table inet portcullis",
            Self::Iptables => "iptables chains PORTCULLIS-INPUT and PORTCULLIS-FORWARD",
        }
    }

    /// Puts the fence up, in place of any earlier one of ours.
    pub(crate) async fn apply(self, fence: &Fence) -> Result<(), NetworkError> {
        match self {
            Self::Nft => run("nft", &["-f", "-"], Some(&fence.nft())).await,
            Self::Iptables => {
                let families = [
                    ("iptables", fence.iptables_v4()),
                    ("ip6tables", fence.iptables_v6()),
                ];
                let has_v6 = Path::new("/proc/net/if_inet6").exists();
                for (family, rules) in families.into_iter().take(if has_v6 { 2 } else { 1 }) {
                    run(&format!("{family}-restore"), &["-w", "--noflush"], Some(&rules)).await?;
                    for (chain, parent) in CHAINS {
                        if run(family, &["-w", "-C", parent, "-j", chain], None)
                            .await
                            .is_err()
                        {
                            run(family, &["-w", "-I", parent, "1", "-j", chain], None).await?;
                        }
                    }
                }
                Ok(())
            }
        }
    }

    /// Lets what our own table has judged pass Docker's, whose FORWARD chain drops what it does not know. Docker keeps
    /// DOCKER-USER for such rules of others and never empties it.
    pub(crate) async fn let_cables_through(self) -> Result<(), NetworkError> {
        let (v4, v6) = tokio::join!(let_through("iptables"), let_through("ip6tables"));
        v4.and(v6)
    }

    /// Takes that back; rules that are not there are fine.
    pub(crate) async fn stop_letting_cables_through(self) {
        for family in ["iptables", "ip6tables"] {
            for chain in FORWARD_CHAINS {
                for side in ["-i", "-o"] {
                    let _ = run(family, &["-w", "-D", chain, side, CABLES, "-j", "ACCEPT"], None).await;
                }
            }
        }
    }

    /// Takes the fence down; one that is not there is fine.
    pub(crate) async fn remove(self) {
        match self {
            Self::Nft => {
                let [family, table] = NFT_TABLE;
                let _ = run("nft", &["delete", "table", family, table], None).await;
            }
            Self::Iptables => {
                for family in ["iptables", "ip6tables"] {
                    for (chain, parent) in CHAINS {
                        let _ = run(family, &["-w", "-D", parent, "-j", chain], None).await;
                        let _ = run(family, &["-w", "-F", chain], None).await;
                        let _ = run(family, &["-w", "-X", chain], None).await;
                    }
                }
            }
        }
    }
}

async fn let_through(family: &str) -> Result<(), NetworkError> {
    for chain in FORWARD_CHAINS {
        // A family or chain that is not there drops nothing.
        let Ok(present) = ask(family, &["-w", "-S", chain]).await else {
            continue;
        };
        let missing = ["-i", "-o"].map(|side| format!("{chain} {side} {CABLES} -j ACCEPT"));
        let missing = missing
            .iter()
            .filter(|rule| !present.contains(&format!("-A {rule}\n")));
        let rules: String = missing.map(|rule| format!("-I {rule}\n")).collect();
        if rules.is_empty() {
            return Ok(());
        }
        let text = format!("*filter\n{rules}COMMIT\n");
        return run(&format!("{family}-restore"), &["-w", "--noflush"], Some(&text)).await;
    }
    Ok(())
}

async fn run(program: &str, arguments: &[&str], input: Option<&str>) -> Result<(), NetworkError> {
    output(program, arguments, input).await.map(drop)
}

async fn ask(program: &str, arguments: &[&str]) -> Result<String, NetworkError> {
    output(program, arguments, None).await
}

async fn output(program: &str, arguments: &[&str], input: Option<&str>) -> Result<String, NetworkError> {
    let failed = |what: &dyn std::fmt::Display| NetworkError::Firewall(format!("{program}: {what}"));
    let mut child = Command::new(program)
        .args(arguments)
        .env("PATH", PATH)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(&error))?;
    if let (Some(mut stdin), Some(text)) = (child.stdin.take(), input) {
        stdin
            .write_all(text.as_bytes())
            .await
            .map_err(|error| failed(&error))?;
    }
    let output = child.wait_with_output().await.map_err(|error| failed(&error))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(failed(&String::from_utf8_lossy(&output.stderr).trim())),
    }
}
