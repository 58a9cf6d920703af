//! The suite of `tests/clients`: programs that are not ours (boto3, the AWS CLI) against a server that pytest starts.

use std::process::Command;

use anyhow::Result;

use super::tally::Runner;
use super::{Session, prepare};
use crate::{docker_room, shell};

pub fn run(session: &mut Session) -> Result<()> {
    if !prepare::python().exists() {
        session.leave_out("the client tests", "no Python environment; see part `prepare`");
        return Ok(());
    }
    let obstacle = docker_room::obstacle();
    let mut suite = pytest(&["tests/clients"]);
    if let Some(reason) = &obstacle {
        session.leave_out("the full disk", reason);
        suite.args(["--ignore", "tests/clients/test_full_disk.py"]);
    }
    session.tally.run(&mut suite, Runner::Pytest)?;
    if let Some(reason) = obstacle {
        session.leave_out(
            "the stories with boto3 on Docker, and the life on two hosts",
            &reason,
        );
        return Ok(());
    }
    let story = [
        "tests/clients/test_story.py",
        "tests/clients/test_exec_story.py",
        "tests/clients/life_on_two_hosts.py",
        "tests/clients/instance_metadata.py",
        "tests/clients/task_identity.py",
        "tests/clients/execution_role.py",
        "tests/clients/image_registry.py",
        "tests/clients/awslogs.py",
        "--engine",
        "docker",
        "--numprocesses",
        "0",
    ];
    let result = session
        .tally
        .run(&mut docker_room::around(&pytest(&story))?, Runner::Pytest);
    docker_room::leave();
    result
}

fn pytest(arguments: &[&str]) -> Command {
    let mut pytest = shell::program(prepare::python());
    pytest.args(["-m", "pytest"]).args(arguments);
    pytest
}
