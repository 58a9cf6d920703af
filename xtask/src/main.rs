//! The workshop: everything that is done to the project rather than by it.

mod authz;
mod bench;
mod differential;
mod docker_room;
mod generate;
mod rules;
mod shell;
mod simulate;
mod test;

use std::process::ExitCode;

use anyhow::Result;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  generate [--check]                write the generated code anew, or fail if it is not current
  reduce-model SERVICE FILE         write models/SERVICE.json: of a whole model in FILE what is served
  rules [--check]                   write the table of rules and their tests anew, or fail if it is not current
  authz [--check]                   write the table of ECS's actions and their tests anew, or fail if it is not current
  test [--only PART,...] [--list]   everything CI checks; --list names the parts
  differential [--cases N] [--seed N]
                                    the policy engine against the naive evaluator, two million cases unless told otherwise
  simulate [--seeds N] [--agents M] [--steps K] [--first SEED]
                                    whole regions with agents that fail, twenty seeds unless told otherwise
  bench [--help]                    measure: a table of figures, each beside its reference
  bench policy [--callgrind]        measure policy decisions beside Cedar, or count their instructions
  bench hostile [MUTATIONS [SEED]]  the slowest and largest of hostile input to the policy engine; fails beyond 100 ms or 64 MiB
  torture store [KILLS]             the store's kill -9 test, 200 kills unless told otherwise
  torture agent [KILLS [SECONDS]]   1,000 kills of an agent at work, and an engine that hangs for 300 seconds, in a docker room (root)
  torture partition [SECONDS]       an agent and its server that cannot reach each other for that long, 600 unless told otherwise (root)
  docker-room COMMAND [ARGS...]     run a command beside a Docker Engine of its own (root)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<ExitCode> {
    let Some((command, rest)) = arguments.split_first() else {
        print!("{USAGE}");
        return Ok(ExitCode::FAILURE);
    };
    match command.as_str() {
        "generate" => generate(rest),
        "reduce-model" => reduce_model(rest),
        "rules" => rules::command(rest),
        "authz" => authz::command(rest),
        "test" => test::run(rest),
        "differential" => differential::run(rest),
        "simulate" => simulate::run(rest),
        "bench" => bench::run(rest),
        "torture" => test::torture(rest),
        "docker-room" => docker_room::run(rest),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        other => anyhow::bail!("unknown command `{other}`\n\n{USAGE}"),
    }
}

fn reduce_model(arguments: &[String]) -> Result<ExitCode> {
    let [service, file] = arguments else {
        anyhow::bail!("usage: cargo xtask reduce-model SERVICE FILE");
    };
    generate::reduce_model(service, std::path::Path::new(file))?;
    Ok(ExitCode::SUCCESS)
}

fn generate(arguments: &[String]) -> Result<ExitCode> {
    let check = match arguments {
        [] => false,
        [flag] if flag == "--check" => true,
        _ => anyhow::bail!("usage: cargo xtask generate [--check]"),
    };
    generate::run(check)?;
    Ok(ExitCode::SUCCESS)
}
