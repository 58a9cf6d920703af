//! The syntax of `/etc/ecs/ecs.config`: `NAME=value` lines as `docker run --env-file` reads them.

use std::collections::BTreeMap;

/// The variables, and what could not be read. The last of a name counts.
pub(super) fn parse(text: &str) -> (BTreeMap<String, String>, Vec<String>) {
    let (mut values, mut warnings) = (BTreeMap::new(), Vec::new());
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let pair = line
            .split_once('=')
            .map(|(name, value)| (name.trim_end(), value.trim_end()));
        match pair.filter(|(name, _)| is_name(name)) {
            Some((name, value)) => {
                values.insert(name.to_owned(), value.to_owned());
            }
            // A value may be a secret; the line is not shown.
            None => warnings.push(format!(
                "line {} of the configuration file is no NAME=value",
                number + 1
            )),
        }
    }
    (values, warnings)
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
