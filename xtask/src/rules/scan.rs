//! What the sources say: names of tests, and functions of open points.

use std::fs;

use anyhow::Result;

use crate::shell;

/// Where open points are decided.
const OPEN_POINTS: &str = "open_points.rs";

/// A test that cites rules.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Test {
    /// `crate::module::name`.
    pub path: String,
    /// Its function's name.
    pub name: String,
    /// The rules it cites, as numbers.
    pub rules: Vec<u16>,
}

/// What was found in the repository.
#[derive(Debug, Default)]
pub struct Sources {
    /// Every test that cites a rule.
    pub tests: Vec<Test>,
    /// The functions that decide open points.
    pub open_points: Vec<String>,
}

/// Reads every file of the repository that may hold tests.
pub fn sources() -> Result<Sources> {
    let listed = shell::output(shell::program("git").args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "*.rs",
        "*.py",
    ]))?;
    let mut found = Sources::default();
    // The workshop's own tests hold examples of such names.
    for name in listed.lines().filter(|name| !name.starts_with("xtask/")) {
        // A file deleted but not yet committed is still listed.
        let Ok(text) = fs::read_to_string(shell::root().join(name)) else {
            continue;
        };
        if name.ends_with(OPEN_POINTS) && name.contains("/src/") {
            found.open_points.extend(open_points(&text));
        }
        found.tests.extend(if name.ends_with(".py") {
            python_tests(name, &text)
        } else {
            rust_tests(name, &text)
        });
    }
    found.tests.sort();
    Ok(found)
}

/// The numbers of the rules a name cites: `r40_r41_the_star` cites two.
pub fn rules_of(name: &str) -> Vec<u16> {
    let number = |word: &str| {
        word.strip_prefix('r')
            .filter(|rest| !rest.starts_with('0'))?
            .parse()
            .ok()
    };
    name.split('_').filter_map(number).collect()
}

fn test(module: &str, name: &str) -> Option<Test> {
    let rules = rules_of(name);
    (!rules.is_empty()).then(|| Test {
        path: format!("{module}::{name}"),
        name: name.to_owned(),
        rules,
    })
}

/// Functions under an attribute that ends in `test]`, such as `#[tokio::test]`.
fn rust_tests(file: &str, text: &str) -> Vec<Test> {
    let mut module = module_of(file);
    let (mut is_test, mut found) = (false, Vec::new());
    for line in text.lines() {
        if let Some(inner) = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(" {")) {
            module = format!("{}::{inner}", module_of(file));
        }
        let line = line.trim_start();
        if line.starts_with("#[") {
            is_test |= line.contains("test]") || line.contains("test(");
        } else if !line.is_empty() && !line.starts_with("//") {
            let name = function_name(line).filter(|_| is_test);
            found.extend(name.and_then(|name| test(&module, name)));
            is_test = false;
        }
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let line = line.strip_prefix("async ").unwrap_or(line);
    let name = line.strip_prefix("fn ")?.split(['(', '<']).next()?;
    Some(name.trim())
}

fn python_tests(file: &str, text: &str) -> Vec<Test> {
    let module = file.trim_end_matches(".py").replace('/', "::");
    let names = text.lines().filter_map(|line| line.strip_prefix("def test_"));
    names
        .filter_map(|rest| test(&module, rest.split('(').next()?))
        .collect()
}

/// `crates/policy/tests/it/trust.rs` is `policy::it::trust`, `crates/policy/src/matching/mod.rs` is `policy::matching`.
fn module_of(file: &str) -> String {
    let path = file
        .strip_prefix("crates/")
        .unwrap_or(file)
        .trim_end_matches(".rs");
    let is_folder = |part: &&str| !matches!(*part, "src" | "tests" | "mod" | "main" | "lib");
    let inside_tests_file = path.ends_with("/tests");
    let mut parts: Vec<_> = path.split('/').filter(is_folder).collect();
    if inside_tests_file {
        parts.push("tests");
    }
    parts.join("::")
}

/// `pub(crate) fn r5_requires_version_2012(kind: Kind)`.
fn open_points(text: &str) -> Vec<String> {
    let prefixes = ["pub(crate) fn ", "pub(crate) const fn "];
    let functions = text
        .lines()
        .filter_map(|line| prefixes.iter().find_map(|prefix| line.strip_prefix(prefix)));
    functions
        .filter_map(|rest| rest.split(['(', '<']).next())
        .filter(|name| !rules_of(name).is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(tests: &[Test]) -> Vec<&str> {
        tests.iter().map(|test| test.path.as_str()).collect()
    }

    #[test]
    fn tests_are_known_by_their_attribute_and_rules_by_their_names() {
        let text = "\
#[test]
fn r40_r41_the_star() {}

/// No test.
fn r1_helper() {}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = \"a table\")]
async fn r112_keys() {}

#[test]
fn no_rule_r_x() {}

mod tests {
    #[test]
    fn r2_inner(scene in scene()) {}
}
";
        let found = rust_tests("crates/policy/tests/it/trust.rs", text);
        assert_eq!(
            paths(&found),
            [
                "policy::it::trust::r40_r41_the_star",
                "policy::it::trust::r112_keys",
                "policy::it::trust::tests::r2_inner"
            ]
        );
        assert_eq!(found[0].rules, [40, 41]);
    }

    #[test]
    fn tests_of_the_clients_count_too() {
        let found = python_tests(
            "tests/clients/test_authorization.py",
            "def test_r148_tags(aws):\n    pass\n",
        );
        assert_eq!(paths(&found), ["tests::clients::test_authorization::r148_tags"]);
    }

    #[test]
    fn modules_are_named_as_rust_names_them() {
        assert_eq!(
            module_of("crates/control/src/schedule/query/tests.rs"),
            "control::schedule::query::tests"
        );
        assert_eq!(module_of("crates/policy/src/lib.rs"), "policy");
    }

    #[test]
    fn functions_of_open_points_are_found() {
        let text = "pub(crate) fn r5_requires_version_2012(kind: Kind) -> bool {\npub(crate) fn helper() {\n";
        assert_eq!(open_points(text), ["r5_requires_version_2012"]);
    }
}
