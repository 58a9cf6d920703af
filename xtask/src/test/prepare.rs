//! Installs what the tests need and the machine lacks: Debian packages where we are root on Debian or Ubuntu, and Python
//! packages in an environment of our own under `target/`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::Session;
use crate::shell;

/// A program the tests start, and the Debian package that holds it.
const PROGRAMS: &[(&str, &str)] = &[
    ("dockerd", "docker.io"),
    ("docker-init", "docker.io"),
    ("iptables", "iptables"),
    ("nft", "nftables"),
    ("ip", "iproute2"),
    ("busybox", "busybox-static"),
    ("unshare", "util-linux"),
    ("python3", "python3"),
    ("skopeo", "skopeo"),
];

pub fn run(session: &mut Session) -> Result<()> {
    install_packages(session)?;
    make_environment(session)
}

/// The Python of the tests' own environment, once [`run`] has made it.
pub fn python() -> PathBuf {
    environment().join("bin/python")
}

fn environment() -> PathBuf {
    shell::target().join("clients-venv")
}

fn install_packages(session: &mut Session) -> Result<()> {
    let mut missing: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(program, _)| !shell::has(program))
        .map(|(_, package)| *package)
        .collect();
    if !has_venv() {
        missing.push("python3-venv");
    }
    missing.dedup();
    if missing.is_empty() {
        return Ok(());
    }
    if let Some(reason) = may_not_install()? {
        session.leave_out(&format!("installing {}", missing.join(" ")), reason);
        return Ok(());
    }
    println!("installing {}", missing.join(" "));
    shell::run(shell::program("apt-get").args(["update", "-qq"]))?;
    let mut install = shell::program("apt-get");
    install
        .args(["install", "-y", "-qq", "--no-install-recommends"])
        .args(missing);
    shell::run(install.env("DEBIAN_FRONTEND", "noninteractive"))
}

fn may_not_install() -> Result<Option<&'static str>> {
    if shell::output(shell::program("id").arg("-u"))?.trim() != "0" {
        return Ok(Some("not root"));
    }
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let debian = release
        .lines()
        .any(|line| line.starts_with("ID") && (line.contains("debian") || line.contains("ubuntu")));
    Ok(if debian {
        None
    } else {
        Some("neither Debian nor Ubuntu")
    })
}

fn has_venv() -> bool {
    let found = shell::program("python3")
        .args(["-c", "import venv, ensurepip"])
        .output();
    found.is_ok_and(|output| output.status.success())
}

/// Makes the environment once for each version of the list of requirements.
fn make_environment(session: &mut Session) -> Result<()> {
    if !has_venv() {
        session.leave_out("the Python environment", "no python3 with venv");
        return Ok(());
    }
    let requirements = shell::root().join("tests/clients/requirements.txt");
    let wanted = fs::read_to_string(&requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let installed = environment().join("installed-requirements.txt");
    if fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
        return Ok(());
    }
    shell::run(
        shell::program("python3")
            .args(["-m", "venv", "--clear"])
            .arg(environment()),
    )?;
    let mut pip = shell::program(python());
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
    ])
    .arg(&requirements);
    shell::run(&mut pip)?;
    fs::write(&installed, wanted).with_context(|| format!("cannot write {}", installed.display()))
}
