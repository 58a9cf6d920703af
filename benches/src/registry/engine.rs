//! An image by `docker push` and `docker pull`.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;

use super::sides::{REPOSITORY, Side, Sides};
use super::{IMAGE_BYTES, Noise, TARGET, TURNS, Times, run};
use crate::table::{Row, Verdict};

/// Measures it on the engine of the room, if there is one. Each turn has an image of its own: engines remember what a
/// registry has.
pub fn measure(sides: &Sides, folder: &Path) -> Result<Vec<Row>> {
    if !Command::new("docker").arg("info").output()?.status.success() {
        return Ok(vec![Row {
            figure: "docker push and pull of a 500 MiB image".to_owned(),
            ours: "- (no Docker Engine; run: cargo xtask docker-room cargo xtask bench registry)".to_owned(),
            reference: "-".to_owned(),
            target: TARGET,
            verdict: Verdict::LeftOut,
        }]);
    }
    let docker = Docker(folder.join("docker"));
    docker.log_in(&sides.ours)?;
    let (mut push, mut pull) = (Times::default(), Times::default());
    for turn in 0..TURNS {
        eprintln!("image, turn {turn}");
        let image = docker.import(folder, turn)?;
        for side in sides.in_turn(turn) {
            let name = name(side, turn);
            docker.run(&["tag", &image, &name])?;
            side.note(&mut push, docker.timed(&["push", "--quiet", &name])?);
            docker.run(&["rmi", &name])?;
        }
        docker.run(&["rmi", &image])?;
        for side in sides.in_turn(turn) {
            let name = name(side, turn);
            side.note(&mut pull, docker.timed(&["pull", "--quiet", &name])?);
            docker.run(&["rmi", &name])?;
        }
    }
    Ok(vec![
        push.row("docker push of a 500 MiB image"),
        pull.row("docker pull of a 500 MiB image"),
    ])
}

fn name(side: &Side, turn: usize) -> String {
    format!("{}/{REPOSITORY}:{turn}", side.address)
}

/// The command, with a configuration of its own.
struct Docker(std::path::PathBuf);

impl Docker {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.env("DOCKER_CONFIG", &self.0).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Result<String> {
        Ok(run(&mut self.command(arguments))?.trim().to_owned())
    }

    fn timed(&self, arguments: &[&str]) -> Result<Duration> {
        let began = Instant::now();
        self.run(arguments)?;
        Ok(began.elapsed())
    }

    fn log_in(&self, side: &Side) -> Result<()> {
        let token = side.token.as_deref().unwrap_or_default();
        let pair = base64::engine::general_purpose::STANDARD.decode(token)?;
        let pair = String::from_utf8(pair)?;
        let (user, password) = pair.split_once(':').context("a token is a pair")?;
        let address = side.address.to_string();
        let mut login = self
            .command(&["login", "--username", user, "--password-stdin", &address])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        let mut input = login.stdin.take().context("no way to say the password")?;
        input.write_all(password.as_bytes())?;
        drop(input);
        ensure!(login.wait()?.success(), "docker login failed");
        Ok(())
    }

    /// An image of one layer that no compression makes smaller.
    fn import(&self, folder: &Path, turn: usize) -> Result<String> {
        Noise::make(folder, IMAGE_BYTES)?;
        let image = format!("bench:{turn}");
        let script = format!(
            "tar --directory '{}' --create noise | docker import - {image}",
            folder.display()
        );
        run(Command::new("sh").args(["-c", &script]))?;
        Ok(image)
    }
}
