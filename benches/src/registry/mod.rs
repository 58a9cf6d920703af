//! `cargo xtask bench registry`: images in and out, beside Debian's docker-registry package on the same disk in the same run:
//! a blob over a bare connection, an image by Docker Engine, and the memory while a large layer passes.

mod engine;
mod sides;
mod transfer;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::process::Process;
use crate::stats::{median, mib};
use crate::subject::Workshop;
use crate::table::{self, Row, Verdict};
use sides::{Side, Sides};

/// Size of the image and of the blob, in bytes.
const IMAGE_BYTES: u64 = 500 * 1024 * 1024;
/// Size of the layer during which memory is watched, in bytes.
const LARGE_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// Turns; both sides in each, first the one, then the other.
const TURNS: usize = 3;
/// How much more memory a large layer may take than nothing, in bytes.
const GROWTH_MAX: u64 = 32 * 1024 * 1024;
const TARGET: &str = ">= 0.8 x";

/// A file of bytes that no compression makes smaller.
pub struct Noise {
    /// Where it is.
    pub path: PathBuf,
    /// `sha256:...`
    pub digest: String,
    /// Its size in bytes.
    pub size: u64,
}

impl Noise {
    fn make(folder: &Path, size: u64) -> Result<Self> {
        let path = folder.join("noise");
        let made = run(Command::new("sh").args([
            "-c",
            &format!(
                "head -c {size} /dev/urandom > '{0}' && sha256sum < '{0}'",
                path.display()
            ),
        ]))?;
        let hex = made.split(' ').next().unwrap_or_default();
        let digest = format!("sha256:{hex}");
        Ok(Self { path, digest, size })
    }
}

/// Seconds of one turn on both sides.
#[derive(Default)]
struct Times {
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

impl Times {
    fn row(&self, what: &str) -> Row {
        let megabytes = 500.0;
        let (ours, theirs) = (median(self.ours.clone()), median(self.theirs.clone()));
        let ratios = self
            .ours
            .iter()
            .zip(&self.theirs)
            .map(|(ours, theirs)| theirs / ours);
        let ratio = median(ratios.collect());
        Row {
            figure: what.to_owned(),
            ours: format!("{ours:.2} s, {:.0} MiB/s ({ratio:.2} x)", megabytes / ours),
            reference: format!("{theirs:.2} s, {:.0} MiB/s (docker-registry)", megabytes / theirs),
            target: TARGET,
            verdict: Verdict::of(ratio >= 0.8),
        }
    }
}

/// Measures and prints the table.
pub fn run_all(options: &[&str]) -> Result<()> {
    let built = std::env::current_exe()?;
    let built = built.parent().context("this program stands nowhere")?;
    let dir = match options {
        [] => built,
        ["--dir", dir] => Path::new(dir),
        _ => bail!("usage: cargo xtask bench registry [--dir DIR]"),
    };
    let workshop = Workshop {
        program: built.join("portcullis"),
        folder: tempfile::Builder::new().prefix("bench-").tempdir_in(dir)?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let rows = runtime.block_on(measure(&workshop))?;
    print!("{}", table::render(&rows));
    Ok(())
}

async fn measure(workshop: &Workshop) -> Result<Vec<Row>> {
    let sides = Sides::start(workshop).await?;
    let folder = workshop.folder.path();
    let mut rows = blobs(&sides, folder).await?;
    rows.extend(memory(&sides, folder).await?);
    rows.extend(engine::measure(&sides, folder)?);
    Ok(rows)
}

/// One blob over one connection, in and out.
async fn blobs(sides: &Sides, folder: &Path) -> Result<Vec<Row>> {
    let (mut push, mut pull) = (Times::default(), Times::default());
    for turn in 0..TURNS {
        eprintln!("blob, turn {turn}");
        let noise = Noise::make(folder, IMAGE_BYTES)?;
        for side in sides.in_turn(turn) {
            let began = Instant::now();
            transfer::push(side, &noise).await?;
            let pushed = began.elapsed();
            let began = Instant::now();
            transfer::pull(side, &noise).await?;
            side.note(&mut push, pushed);
            side.note(&mut pull, began.elapsed());
        }
    }
    Ok(vec![
        push.row("push of a 500 MiB blob, one connection"),
        pull.row("pull of a 500 MiB blob, one connection"),
    ])
}

impl Side {
    fn note(&self, times: &mut Times, time: Duration) {
        let seconds = time.as_secs_f64();
        match self.is_ours {
            true => times.ours.push(seconds),
            false => times.theirs.push(seconds),
        }
    }
}

/// The most memory that is not the program itself while a large layer goes in and out.
async fn memory(sides: &Sides, folder: &Path) -> Result<Vec<Row>> {
    let noise = Noise::make(folder, LARGE_BYTES)?;
    let mut most = Vec::new();
    for side in [&sides.ours, &sides.theirs] {
        eprintln!("a large layer");
        let before = side.process.anonymous_bytes()?;
        let passed = async {
            transfer::push(side, &noise).await?;
            transfer::pull(side, &noise).await
        };
        let peak = watched(&side.process, passed).await?;
        most.push((before, peak));
    }
    let [(before, peak), (their_before, their_peak)] = most.as_slice() else {
        bail!("two sides were measured");
    };
    #[expect(clippy::cast_precision_loss, reason = "sizes of processes")]
    let shown =
        |before: u64, peak: u64| format!("{} before, {} at most", mib(before as f64), mib(peak as f64));
    Ok(vec![Row {
        figure: "memory while a 2 GiB layer goes in and out".to_owned(),
        ours: shown(*before, *peak),
        reference: shown(*their_before, *their_peak),
        target: "+ 32 MiB at most",
        verdict: Verdict::of(peak.saturating_sub(*before) <= GROWTH_MAX),
    }])
}

/// The most anonymous memory of a process while something goes on.
async fn watched(process: &Process, work: impl Future<Output = Result<()>>) -> Result<u64> {
    let mut work = std::pin::pin!(work);
    let mut most = 0;
    loop {
        tokio::select! {
            done = work.as_mut() => return done.map(|()| most),
            () = tokio::time::sleep(Duration::from_millis(20)) => most = most.max(process.anonymous_bytes()?),
        }
    }
}

/// Runs a program to its end; gives what it wrote.
fn run(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("{} cannot be started", command.get_program().display()))?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{} failed: {text}",
        command.get_program().display()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
