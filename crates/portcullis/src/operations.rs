//! `portcullis operations`: the table everything is derived from.

use std::process::ExitCode;

use clap::Args;
use portcullis_control::{s3, services};
use serde_json::{Value, json};

/// Options of `portcullis operations`.
#[derive(Debug, Args)]
pub struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One of them, whichever table it stands in.
struct Operation {
    service: &'static str,
    name: &'static str,
    actions: &'static [&'static str],
    writes: bool,
}

/// All operations, ordered by service and name. S3 has a table of its own: its bodies stream.
fn all() -> Vec<Operation> {
    let operations = services::operations();
    let rows = operations.rows().into_iter().map(|row| Operation {
        service: row.meta.service.name,
        name: row.meta.name,
        actions: row.actions,
        writes: row.writes,
    });
    let of_s3 = s3::served().into_iter().map(|served| Operation {
        service: s3::SERVICE.name,
        name: served.name,
        actions: served.actions,
        writes: served.writes,
    });
    let mut all: Vec<_> = rows.chain(of_s3).collect();
    all.sort_by_key(|operation| (operation.service, operation.name));
    all
}

/// Prints the operations.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    if options.json {
        let shown = |operation: Operation| {
            json!({
                "service": operation.service,
                "operation": operation.name,
                "actions": operation.actions,
                "access": if operation.writes { "write" } else { "read" },
            })
        };
        let rows: Vec<Value> = all().into_iter().map(shown).collect();
        crate::say(&serde_json::to_string_pretty(&rows)?);
    } else {
        for operation in all() {
            let Operation {
                service,
                name,
                actions,
                ..
            } = operation;
            crate::say(&format!("{service:<12} {name:<40} {}", actions.join(", ")));
        }
    }
    Ok(ExitCode::SUCCESS)
}
