//! Putting the fence up and taking it down, with nft, or iptables where there is no nft.

use std::io;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::NetworkError;
use super::rules::{CHAINS, Chain, FORMER_CHAIN, Fence, NFT_TABLE};

/// Where the tools are, also for an agent that was started with a user's path.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a tool may take: one that waits for another's lock must not keep everything else waiting.
const TOOL_PATIENCE: Duration = Duration::from_secs(10);

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
        Self::first_of([(Self::Nft, "nft"), (Self::Iptables, "iptables-restore")]).await
    }

    /// One that does not answer may work a moment later, and what it made before is in force.
    async fn first_of(tools: [(Self, &str); 2]) -> Result<Self, NetworkError> {
        for (tool, probe) in tools {
            match run(probe, &["--version"], None).await {
                Ok(()) => return Ok(tool),
                Err(NetworkError::NoAnswer(reason)) => return Err(NetworkError::NoAnswer(reason)),
                Err(_) => {}
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
            Self::Iptables => "iptables chains PORTCULLIS-GUARD and PORTCULLIS-INPUT",
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
                    for chain in CHAINS {
                        put_first(family, chain).await?;
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
                    for Chain { name, table, parent } in CHAINS.into_iter().chain([FORMER_CHAIN]) {
                        for step in [&["-D", parent, "-j", name][..], &["-F", name], &["-X", name]] {
                            let _ = run(family, &[&["-w", "-t", table][..], step].concat(), None).await;
                        }
                    }
                }
            }
        }
    }
}

/// Makes our chain the first that its parent asks. Others put theirs first whenever they make them anew, as after a reload of
/// firewalld, and what they accept would never come to ours.
async fn put_first(family: &str, chain: Chain) -> Result<(), NetworkError> {
    let present = ask(family, &["-w", "-t", chain.table, "-S", chain.parent]).await?;
    let Some(rules) = moved_first(&present, chain) else {
        return Ok(());
    };
    run(&format!("{family}-restore"), &["-w", "--noflush"], Some(&rules)).await
}

/// The one step that moves it there; `None` when it is the first, and there once.
fn moved_first(present: &str, chain: Chain) -> Option<String> {
    let Chain { name, table, parent } = chain;
    let jump = format!("-A {parent} -j {name}");
    let rules = present.lines().filter(|line| line.starts_with("-A "));
    let places: Vec<_> = rules
        .enumerate()
        .filter(|(_, rule)| rule.trim_end() == jump)
        .map(|(place, _)| place)
        .collect();
    if places == [0] {
        return None;
    }
    let taken_out = format!("-D {parent} -j {name}\n").repeat(places.len());
    Some(format!("*{table}\n{taken_out}-I {parent} 1 -j {name}\nCOMMIT\n"))
}

async fn let_through(family: &str) -> Result<(), NetworkError> {
    for chain in FORWARD_CHAINS {
        // A family or chain that is not there drops nothing.
        let present = match ask(family, &["-w", "-S", chain]).await {
            Err(NetworkError::Firewall(_)) => continue,
            asked => asked?,
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
    let unknown = |what: &dyn std::fmt::Display| NetworkError::NoAnswer(format!("{program}: {what}"));
    let child = Command::new(program)
        .args(arguments)
        .env("PATH", PATH)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => failed(&error),
            _ => unknown(&error),
        })?;
    // One that is given up is killed.
    let output = match timeout(TOOL_PATIENCE, to_its_end(child, input)).await {
        Ok(output) => output.map_err(|error| unknown(&error))?,
        Err(_) => {
            return Err(unknown(&format_args!(
                "no end after {} s",
                TOOL_PATIENCE.as_secs()
            )));
        }
    };
    match output.status.code() {
        Some(0) => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Some(_) => Err(failed(&String::from_utf8_lossy(&output.stderr).trim())),
        None => Err(unknown(&output.status)),
    }
}

async fn to_its_end(mut child: Child, input: Option<&str>) -> io::Result<Output> {
    if let (Some(mut stdin), Some(text)) = (child.stdin.take(), input) {
        stdin.write_all(text.as_bytes()).await?;
    }
    child.wait_with_output().await
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn reliability_t22_our_chain_is_put_before_others_in_one_step() {
        let [ours, others] = ["-A INPUT -j PORTCULLIS-INPUT\n", "-A INPUT -j OTHERS\n"];
        let (out, first) = (
            "-D INPUT -j PORTCULLIS-INPUT\n",
            "-I INPUT 1 -j PORTCULLIS-INPUT\n",
        );
        let chain = Chain {
            name: "PORTCULLIS-INPUT",
            table: "filter",
            parent: "INPUT",
        };
        for (present, expected) in [
            (String::new(), Some(String::new())),
            (ours.to_owned(), None),
            (format!("{ours}{others}"), None),
            (others.to_owned(), Some(String::new())),
            (format!("{others}{ours}"), Some(out.to_owned())),
            (format!("{ours}{others}{ours}"), Some(out.repeat(2))),
        ] {
            let present = format!("-P INPUT DROP\n{present}");
            let expected = expected.map(|taken_out| format!("*filter\n{taken_out}{first}COMMIT\n"));
            assert_eq!(moved_first(&present, chain), expected, "{present}");
        }
    }

    /// Time stands still while there is something to do, and then goes on to the end of the tool's time.
    #[tokio::test(start_paused = true)]
    async fn a_tool_that_hangs_is_given_up() {
        let error = run("sleep", &["3600"], None).await.unwrap_err().to_string();
        assert_eq!(error, "firewall: sleep: no end after 10 s");
    }

    /// A tool that hangs, whatever it is asked.
    fn hanging() -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let tool = folder.path().join("tool");
        std::fs::write(&tool, "#!/bin/sh\nexec sleep 3600\n").unwrap();
        std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
        let tool = tool.to_str().unwrap().to_owned();
        (folder, tool)
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_answer_is_not_taken_for_what_is_not_there() {
        let (_folder, hangs) = hanging();
        let tools = [(Firewall::Nft, hangs.as_str()), (Firewall::Iptables, "true")];
        let error = Firewall::first_of(tools).await.unwrap_err();
        assert!(matches!(error, NetworkError::NoAnswer(_)), "{error}");
        let error = let_through(&hangs).await.unwrap_err();
        assert!(matches!(error, NetworkError::NoAnswer(_)), "{error}");
    }

    #[tokio::test]
    async fn what_is_missing_or_fails_gives_way_to_the_next() {
        for missing in ["/nowhere/nft", "false"] {
            let tools = [(Firewall::Nft, missing), (Firewall::Iptables, "true")];
            assert_eq!(Firewall::first_of(tools).await.unwrap(), Firewall::Iptables);
            let_through(missing).await.unwrap();
        }
    }
}
