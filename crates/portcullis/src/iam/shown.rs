//! An audit as people and programs read it.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::audit::Row;
use super::last_used::LastUsed;

const HEAD: [&str; 6] = ["PRINCIPAL", "ACTION", "RESOURCE", "ALLOWED", "BY", "LAST USED"];
const CSV_HEAD: &str = "principal,action,resource,allowed,policy,policy_arn,group,sid,statement,last_used";

/// Columns, and a line that counts.
pub fn table(rows: &[Row]) -> String {
    let cells: Vec<[String; 6]> = rows.iter().map(cells).collect();
    let lines = || std::iter::once(HEAD.map(str::to_owned)).chain(cells.iter().cloned());
    let mut widths = [0; 6];
    for line in lines() {
        for (width, cell) in widths.iter_mut().zip(&line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut page = String::new();
    for line in lines() {
        let padded = line
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        let padded = padded.collect::<Vec<_>>().join("  ");
        page.push_str(padded.trim_end());
        page.push('\n');
    }
    page + "\n" + &count(rows) + "\n"
}

fn cells(row: &Row) -> [String; 6] {
    [
        short(&row.principal).to_owned(),
        row.action.clone(),
        row.resource.clone(),
        certainty(row).to_owned(),
        place(row),
        when(row.last_used),
    ]
}

/// `role/web` for the role's ARN.
fn short(arn: &str) -> &str {
    arn.splitn(6, ':').nth(5).unwrap_or(arn)
}

fn certainty(row: &Row) -> &'static str {
    if row.always { "always" } else { "sometimes" }
}

/// `group/devs: run-web, RunWeb` or `run-web, statement 2`.
fn place(row: &Row) -> String {
    let group = row
        .group
        .as_ref()
        .map(|group| format!("group/{group}: "))
        .unwrap_or_default();
    match &row.sid {
        Some(sid) => format!("{group}{}, {sid}", row.policy),
        None => format!("{group}{}, statement {}", row.policy, row.statement),
    }
}

fn when(last_used: LastUsed) -> String {
    match last_used {
        LastUsed::At(at) => at.format("%Y-%m-%d %H:%M"),
        LastUsed::Never => "never".to_owned(),
        LastUsed::NotTracked => "not tracked".to_owned(),
    }
}

fn count(rows: &[Row]) -> String {
    let mut principals: Vec<&str> = rows.iter().map(|row| row.principal.as_str()).collect();
    principals.dedup();
    let never = rows.iter().filter(|row| row.last_used == LastUsed::Never).count();
    let of = |number: usize, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
    format!(
        "{} of {}, {never} never used. Times are UTC.",
        of(rows.len(), "grant"),
        of(principals.len(), "principal")
    )
}

/// A list of objects.
pub fn json(rows: &[Row]) -> serde_json::Result<String> {
    let rows: Vec<Value> = rows.iter().map(as_json).collect();
    serde_json::to_string_pretty(&rows)
}

fn as_json(row: &Row) -> Value {
    let last_used = match row.last_used {
        LastUsed::At(at) => Some(at.to_iso()),
        LastUsed::Never | LastUsed::NotTracked => None,
    };
    json!({
        "principal": row.principal,
        "action": row.action,
        "resource": row.resource,
        "allowed": certainty(row),
        "grantedBy": {
            "policy": row.policy,
            "policyArn": row.policy_arn,
            "group": row.group,
            "sid": row.sid,
            "statement": row.statement,
        },
        "tracked": row.last_used != LastUsed::NotTracked,
        "lastUsed": last_used,
    })
}

/// Comma-separated values; `last_used` is a time, `never` or `not tracked`.
pub fn csv(rows: &[Row]) -> String {
    let mut page = format!("{CSV_HEAD}\n");
    for row in rows {
        let statement = row.statement.to_string();
        let last_used = match row.last_used {
            LastUsed::At(at) => at.to_iso(),
            other => when(other),
        };
        let cells = [
            &row.principal,
            &row.action,
            &row.resource,
            certainty(row),
            &row.policy,
            row.policy_arn.as_deref().unwrap_or_default(),
            row.group.as_deref().unwrap_or_default(),
            row.sid.as_deref().unwrap_or_default(),
            &statement,
            &last_used,
        ];
        let line: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
        let _ = writeln!(page, "{}", line.join(","));
    }
    page
}

/// Quoted where it must be (RFC 4180); what a spreadsheet would run as a formula is marked as text.
fn quoted(cell: &str) -> String {
    let text = match cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{cell}"),
        false => cell.to_owned(),
    };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let row = |principal: &str, action: &str, resource: &str, last_used| Row {
            principal: format!("arn:aws:iam::123456789012:{principal}"),
            action: action.to_owned(),
            resource: resource.to_owned(),
            always: true,
            policy: "run-web".to_owned(),
            policy_arn: Some("arn:aws:iam::123456789012:policy/run-web".to_owned()),
            group: None,
            sid: Some("RunWeb".to_owned()),
            statement: 1,
            last_used,
        };
        let at = "2026-11-20T10:15:00Z".parse().unwrap();
        vec![
            row(
                "role/team-a/deploy",
                "ecs:RunTask",
                "arn:aws:ecs:*:*:task-definition/web:*",
                LastUsed::At(at),
            ),
            Row {
                always: false,
                group: Some("developers".to_owned()),
                policy: "inline, \"odd\"".to_owned(),
                policy_arn: None,
                sid: None,
                statement: 3,
                ..row("user/alice", "ecs:StopTask", "*", LastUsed::Never)
            },
            row("user/alice", "iam:PassRole", "=role", LastUsed::NotTracked),
        ]
    }

    #[test]
    fn the_table_is_readable() {
        insta::assert_snapshot!(table(&rows()));
    }

    #[test]
    fn an_empty_table_says_so() {
        insta::assert_snapshot!(table(&[]));
    }

    #[test]
    fn the_json_holds_everything() {
        insta::assert_snapshot!(json(&rows()).unwrap());
    }

    #[test]
    fn the_csv_is_quoted_and_runs_nothing() {
        insta::assert_snapshot!(csv(&rows()));
    }
}
