//! The configuration variables of the genuine agent (agent.md 7): their names and meanings are kept. The environment
//! wins over the configuration file, which wins over the defaults; what this agent does not honour is named.

mod env_file;
mod read;
mod table;

use std::collections::BTreeMap;

pub use self::table::{Effect, VARIABLES, Variable};
use crate::Config;

/// Where the genuine agent's configuration stands on a host.
pub const CONFIG_FILE: &str = "/etc/ecs/ecs.config";

/// What is set, from wherever. Some of it is secret: it is not shown.
#[derive(Clone, Default)]
pub struct Variables {
    values: BTreeMap<String, String>,
    warnings: Vec<String>,
}

impl std::fmt::Debug for Variables {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.values.keys()).finish()
    }
}

impl Variables {
    /// Puts the file's text under the environment. `environment` is asked for each variable of [`VARIABLES`].
    pub fn gather(environment: impl Fn(&str) -> Option<String>, file: Option<&str>) -> Self {
        let (mut values, mut warnings) = env_file::parse(file.unwrap_or_default());
        for name in values.keys() {
            let ours = name.starts_with("ECS_") && !VARIABLES.iter().any(|known| known.name == name);
            if ours {
                warnings.push(format!("{name}: this agent knows no such variable"));
            }
        }
        for variable in VARIABLES {
            if let Some(value) = environment(variable.name) {
                values.insert(variable.name.to_owned(), value);
            }
        }
        // As everywhere on AWS, an empty variable is as good as none.
        values.retain(|_, value| !value.is_empty());
        Self { values, warnings }
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Sets what the variables say; the lines to warn the operator with. A value that cannot be used leaves the
    /// default, as the genuine agent does.
    pub fn apply(&self, config: &mut Config) -> Vec<String> {
        let mut warnings = self.warnings.clone();
        for variable in VARIABLES {
            let Some(value) = self.get(variable.name) else {
                continue;
            };
            match variable.effect {
                Effect::Sets(set) => {
                    if let Err(problem) = set(config, value) {
                        warnings.push(format!("{}: {problem}; the default stands", variable.name));
                    }
                }
                Effect::AtStart => {}
                Effect::Ignored(why) => warnings.push(format!("{} is not honoured: {why}", variable.name)),
            }
        }
        warnings
    }
}

/// The table of docs/agent-configuration.md.
pub fn document() -> String {
    let mut text = String::from("| variable | default | meaning |\n| --- | --- | --- |\n");
    for variable in VARIABLES {
        let meaning = match variable.effect {
            Effect::Ignored(why) => format!("**not honoured**: {why}"),
            Effect::Sets(_) | Effect::AtStart => variable.meaning.to_owned(),
        };
        text.push_str(&format!(
            "| `{}` | {} | {meaning} |\n",
            variable.name, variable.default
        ));
    }
    text
}

#[cfg(test)]
mod tests;
