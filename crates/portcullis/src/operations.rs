//! `portcullis operations`: the table everything is derived from.

use std::process::ExitCode;

use clap::Args;
use portcullis_control::services;
use serde_json::{Value, json};

/// Options of `portcullis operations`.
#[derive(Debug, Args)]
pub struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints the operations.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let operations = services::operations();
    if options.json {
        let rows: Vec<Value> = operations
            .rows()
            .into_iter()
            .map(|row| {
                json!({
                    "service": row.meta.service.name,
                    "operation": row.meta.name,
                    "actions": row.actions,
                    "access": if row.writes { "write" } else { "read" },
                })
            })
            .collect();
        crate::say(&serde_json::to_string_pretty(&rows)?);
    } else {
        for row in operations.rows() {
            crate::say(&format!(
                "{:<12} {:<40} {}",
                row.meta.service.name,
                row.meta.name,
                row.actions.join(", ")
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}
