//! Starting programs: from the repository's root, with one clear line when one fails.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail};

/// The repository's root.
pub fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest)
}

/// What the build writes, and nothing else of ours survives outside it.
pub fn target() -> PathBuf {
    root().join("target")
}

/// A program to be started in the repository's root.
pub fn program(name: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// Cargo, with its arguments.
pub fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = program("cargo");
    command.args(arguments);
    command
}

/// Runs to the end with the terminal's own output; an exit status other than 0 is an error.
pub fn run(command: &mut Command) -> Result<()> {
    let line = describe(command);
    let status = command
        .status()
        .with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// Runs to the end and passes on whether it succeeded: a program that has said itself what is wrong.
pub fn pass_on(command: &mut Command) -> Result<ExitCode> {
    let line = describe(command);
    let status = command
        .status()
        .with_context(|| format!("cannot start `{line}`"))?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Builds an example of a package of ours for speed, and runs it.
pub fn example(package: &str, name: &str, arguments: &[&str]) -> Result<ExitCode> {
    let build = [
        "build",
        "--release",
        "--locked",
        "--package",
        package,
        "--example",
        name,
    ];
    run(&mut cargo(build))?;
    pass_on(program(target().join("release/examples").join(name)).args(arguments))
}

/// Runs to the end and gives back what it wrote to standard output; its errors stay on the terminal.
pub fn output(command: &mut Command) -> Result<String> {
    let line = describe(command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` ended with {}", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{line}` wrote something that is not UTF-8"))
}

/// Whether a program of this name can be started from here.
pub fn has(name: &str) -> bool {
    let found = program("sh")
        .args(["-c", "command -v \"$1\" >/dev/null 2>&1", "sh", name])
        .status();
    found.is_ok_and(|status| status.success())
}

/// The command as a person would type it.
pub fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}
