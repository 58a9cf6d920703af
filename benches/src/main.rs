//! `cargo xtask bench`: prints a table, each figure beside its reference measured in the same run. A missed target is
//! reported as missed. Everything happens on loopback and ends by itself.

mod compare;
mod connection;
mod figures;
mod instance;
mod load;
mod policy;
mod process;
mod reference;
mod registry;
mod scale;
mod stats;
mod subject;
mod table;
mod work;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use figures::docker::Part;
use subject::Workshop;
use table::Row;

/// The server's own: the reference shall not lose for want of it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "\
usage: cargo xtask bench [--only GROUP,...] [--dir DIR]
       cargo xtask bench policy [--callgrind]
       cargo xtask bench scale [TASKS [INSTANCES]]
       cargo xtask bench registry [--dir DIR]

  --only GROUP,...   some of: start, reads, refusals, secrets, logs, records, durable, scale,
                     identities, endpoint, docker, interfaces, idle
  --dir DIR          a folder on the disk to measure [default: where the program was built]
";
const GROUPS: [&str; 13] = [
    "start",
    "reads",
    "refusals",
    "secrets",
    "logs",
    "records",
    "durable",
    "scale",
    "identities",
    "endpoint",
    "docker",
    "interfaces",
    "idle",
];
/// The whole run takes no longer,
const TIME_MAX: Duration = Duration::from_secs(235);
/// or that much longer where there is a Docker Engine to measure on.
const TIME_MAX_DOCKER: Duration = Duration::from_secs(300);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match play(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The role this process plays.
fn play(arguments: &[String]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["load"] => load::child(),
        ["policy", rest @ ..] => policy::run(rest),
        ["scale", rest @ ..] => scale::run(rest),
        ["registry", rest @ ..] => registry::run_all(rest),
        ["reference", address] => reference::child(address),
        ["endpoint", folder] => figures::endpoint::child(folder),
        ["raw-store", dir] => figures::durable::raw_store_child(dir),
        ["tied", ..] => process::become_tied(arguments.get(1..).unwrap_or_default()),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        options => bench(&Options::read(options)?),
    }
}

struct Options {
    groups: Vec<String>,
    dir: Option<PathBuf>,
    docker_host: Option<String>,
}

impl Options {
    #[expect(clippy::disallowed_methods, reason = "this is the binary's configuration")]
    fn read(words: &[&str]) -> Result<Self> {
        let groups = GROUPS.map(str::to_owned).to_vec();
        let mut options = Self {
            groups,
            dir: None,
            docker_host: std::env::var("DOCKER_HOST").ok(),
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match (*word, words.next()) {
                ("--only", Some(groups)) => options.groups = groups.split(',').map(str::to_owned).collect(),
                ("--dir", Some(dir)) => options.dir = Some(dir.into()),
                _ => bail!("`{word}` is not understood here\n\n{USAGE}"),
            }
        }
        match options
            .groups
            .iter()
            .find(|group| !GROUPS.contains(&group.as_str()))
        {
            Some(group) => bail!("there is no group `{group}`\n\n{USAGE}"),
            None => Ok(options),
        }
    }
}

fn bench(options: &Options) -> Result<()> {
    let began = Instant::now();
    let built = std::env::current_exe()?;
    let built = built.parent().context("this program stands nowhere")?;
    let program = built.join("portcullis");
    if !program.exists() {
        bail!("{} is not built; use cargo xtask bench", program.display());
    }
    let dir = options.dir.as_deref().unwrap_or(built);
    let workshop = Workshop {
        program,
        folder: tempfile::Builder::new().prefix("bench-").tempdir_in(dir)?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let docker = options
        .docker_host
        .as_ref()
        .map_or(Duration::ZERO, |_| TIME_MAX_DOCKER);
    let time_max = TIME_MAX + docker;
    let mut rows = Vec::new();
    let groups = measure(options, &workshop, &mut rows);
    // On this thread, because the kernel ends tied children with the thread that started them.
    let outcome = runtime.block_on(async { tokio::time::timeout(time_max, groups).await });
    print!("{}", table::render(&rows));
    println!("\n{} s altogether", began.elapsed().as_secs());
    outcome.with_context(|| format!("stopped after {} s", time_max.as_secs()))?
}

async fn measure(options: &Options, workshop: &Workshop, rows: &mut Vec<Row>) -> Result<()> {
    for group in &options.groups {
        eprintln!("{group}");
        let measured = match group.as_str() {
            "start" => figures::start::measure(workshop).await,
            "reads" => figures::reads::measure(workshop).await,
            "refusals" => figures::refusals::measure(workshop).await,
            "secrets" => figures::secrets::measure(workshop).await,
            "logs" => figures::logs::measure(workshop).await,
            "records" => figures::records::measure(workshop).await,
            "durable" => figures::durable::measure(workshop).await,
            "scale" => figures::scale::measure(workshop).await,
            "identities" => figures::identities::measure(workshop).await,
            "endpoint" => figures::endpoint::measure(workshop).await,
            other => {
                figures::docker::measure(workshop, options.docker_host.as_deref(), Part::of(other)).await
            }
        };
        rows.extend(measured.with_context(|| format!("the group `{group}` could not be measured"))?);
    }
    Ok(())
}
