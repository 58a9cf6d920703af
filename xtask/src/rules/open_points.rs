//! Open points: each is decided by a named function, proved by a test of the same name, and told in the fidelity page.

use super::scan::rules_of;
use super::table::{Rule, Table};

/// What is missing around open points.
pub fn offences(table: &Table, fidelity: &str) -> Vec<String> {
    table
        .rules
        .iter()
        .flat_map(|rule| of_rule(rule, fidelity))
        .collect()
}

fn of_rule(rule: &Rule, fidelity: &str) -> Vec<String> {
    let mut found = Vec::new();
    let number = rule.number;
    if rule.is_open && rule.open_points.is_empty() {
        found.push(format!(
            "R{number} is open, but no function in an open_points.rs decides it"
        ));
    }
    for function in &rule.open_points {
        let suffix = format!("::{function}");
        if !rule.tests.iter().any(|path| path.ends_with(&suffix)) {
            found.push(format!("no test is named `{function}` after the open point"));
        }
    }
    if !rule.open_points.is_empty() && !told(fidelity).contains(&number) {
        found.push(format!("{} has no row for R{number}", super::FIDELITY));
    }
    found
}

/// The rules that rows of the page name.
fn told(fidelity: &str) -> Vec<u16> {
    let rows = fidelity.lines().filter(|line| line.starts_with('|'));
    let words = rows.flat_map(|row| row.split(|c: char| !c.is_ascii_alphanumeric()));
    words
        .flat_map(|word| rules_of(&word.to_ascii_lowercase()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::RULES;
    use super::super::scan::{Sources, Test};
    use super::*;

    fn table(tests: &[&str]) -> Table {
        let lines =
            (1..=RULES).map(|number| format!("R{number}{} thing\n", if number == 5 { "?" } else { "" }));
        let test = |name: &&str| Test {
            path: format!("policy::it::open_points::{name}"),
            name: (*name).to_owned(),
            rules: rules_of(name),
        };
        let sources = Sources {
            tests: tests.iter().map(test).collect(),
            open_points: vec!["r5_requires_version_2012".to_owned()],
        };
        Table::new(&lines.collect::<String>(), &sources).unwrap()
    }

    #[test]
    fn an_open_point_needs_a_test_of_its_name_and_a_row() {
        let named = table(&["r5_requires_version_2012"]);
        assert_eq!(
            offences(&named, "| versions (R5) | ours |\n"),
            Vec::<String>::new()
        );
        assert_eq!(offences(&named, "R5 outside a table\n").len(), 1);
        assert_eq!(offences(&table(&["r5_other"]), "| R5 | ours |\n").len(), 1);
    }
}
