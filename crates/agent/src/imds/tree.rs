//! Metadata as a tree of paths: what a path holds, and what lies below it.

use std::collections::{BTreeMap, BTreeSet};

/// Values by their paths below `latest/`, such as `meta-data/instance-id`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Tree(BTreeMap<String, String>);

impl Tree {
    /// Puts a value at a path.
    pub(super) fn put(&mut self, path: impl Into<String>, value: impl Into<String>) {
        self.0.insert(path.into(), value.into());
    }

    /// Puts a value where there is one.
    pub(super) fn put_some(&mut self, path: impl Into<String>, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.put(path, value);
        }
    }

    /// The value at a path, or the names below it, one a line, folders with a slash at the end.
    pub(super) fn get(&self, path: &str) -> Option<String> {
        if let Some(value) = self.0.get(path) {
            return Some(value.clone());
        }
        let below = if path.is_empty() {
            String::new()
        } else {
            format!("{path}/")
        };
        let rests = self
            .0
            .range(below.clone()..)
            .map_while(|(name, _)| name.strip_prefix(&below));
        let names: BTreeSet<String> = rests
            .map(|rest| match rest.split_once('/') {
                Some((folder, _)) => format!("{folder}/"),
                None => rest.to_owned(),
            })
            .collect();
        (!names.is_empty()).then(|| names.into_iter().collect::<Vec<_>>().join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_list_what_is_in_them() {
        let mut tree = Tree::default();
        tree.put("meta-data/iam/info", "{}");
        tree.put("meta-data/iam/security-credentials/web", "keys");
        tree.put("meta-data/instance-id", "i-1");
        tree.put_some("meta-data/ami-id", None::<String>);
        let cases = [
            ("", Some("meta-data/")),
            ("meta-data", Some("iam/\ninstance-id")),
            ("meta-data/iam", Some("info\nsecurity-credentials/")),
            ("meta-data/iam/security-credentials", Some("web")),
            ("meta-data/instance-id", Some("i-1")),
            ("meta-data/inst", None),
            ("meta-data/instance-id/more", None),
        ];
        for (path, expected) in cases {
            assert_eq!(tree.get(path).as_deref(), expected, "{path}");
        }
    }
}
