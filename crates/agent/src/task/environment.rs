//! What the agent adds to a container's environment and labels (agent.md 1.1).

use std::collections::BTreeMap;

use portcullis_core::Secret;

use super::model::{Container, Task};
use crate::EngineKind;
use crate::supplies::Supplied;

/// What is the same for all containers of this agent.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) kind: EngineKind,
    pub(crate) cluster: String,
    pub(crate) region: String,
    /// `http://169.254.170.2`, or the loopback address of the process engine.
    pub(crate) endpoint_url: String,
    /// `AWS_ENDPOINT_URL`, the marked extension.
    pub(crate) api_url: Option<String>,
    /// Where Docker's `awslogs` driver delivers to, unless a definition says otherwise.
    pub(crate) log_endpoint: Option<String>,
    pub(crate) block_imds: bool,
}

impl Surroundings {
    /// The container's whole environment but for what is fetched. What the definition says of the region or the API's
    /// address stands, what its environment files say, and what its image says of the region.
    pub(crate) fn environment(
        &self,
        task: &Task,
        container: &Container,
        files: &[(String, Secret)],
    ) -> Vec<(String, String)> {
        let mut all: BTreeMap<String, String> = container.definition.environment.clone();
        let mut set = |name: &str, value: String| all.insert(name.to_owned(), value);
        let (url, id) = (&self.endpoint_url, &container.endpoint_id);
        set("ECS_CONTAINER_METADATA_URI", format!("{url}/v3/{id}"));
        set("ECS_CONTAINER_METADATA_URI_V4", format!("{url}/v4/{id}"));
        set("ECS_AGENT_URI", format!("{url}/api/{id}"));
        if let Some(id) = &task.credentials_id {
            let path = format!("/v2/credentials/{id}");
            match self.kind {
                EngineKind::Docker => set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", path),
                EngineKind::Process => set("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{url}{path}")),
            };
        }
        let given = &container.definition.environment;
        let mut default = |names: &[&str], value: &str| {
            let in_files = |name: &str| files.iter().any(|(own, _)| own == name);
            if !names
                .iter()
                .any(|name| given.contains_key(*name) || in_files(name))
            {
                all.extend(names.iter().map(|name| ((*name).to_owned(), value.to_owned())));
            }
        };
        if !container.image_names_region {
            default(&["AWS_REGION", "AWS_DEFAULT_REGION"], &self.region);
        }
        if let Some(url) = &self.api_url {
            default(&["AWS_ENDPOINT_URL"], url);
        }
        if self.kind == EngineKind::Process && self.block_imds {
            // No fence keeps a process from the instance's metadata service; this at least keeps SDKs from it.
            default(&["AWS_EC2_METADATA_DISABLED"], "true");
        }
        all.into_iter().collect()
    }

    /// Variables whose values are not shown: of environment files, which give way to all others, and secrets.
    pub(crate) fn secret_environment(
        &self,
        others: &[(String, String)],
        supplied: &Supplied,
        token: Option<Secret>,
    ) -> Vec<(String, Secret)> {
        let is_set = |name: &String| {
            others.iter().any(|(other, _)| other == name)
                || supplied.environment.iter().any(|(secret, _)| secret == name)
        };
        let files = supplied.files.iter().filter(|(name, _)| !is_set(name));
        let token = token.map(|token| ("AWS_CONTAINER_AUTHORIZATION_TOKEN".to_owned(), token));
        files.chain(&supplied.environment).cloned().chain(token).collect()
    }

    /// Labels of a container; they override the user's.
    pub(crate) fn labels(&self, task: &Task, container: &Container) -> Vec<(String, String)> {
        [
            ("cluster", &self.cluster),
            ("container-name", &container.definition.name),
            ("task-arn", &task.arn),
            ("task-definition-family", &task.family),
            ("task-definition-version", &task.version),
        ]
        .map(|(name, value)| (format!("com.amazonaws.ecs.{name}"), value.clone()))
        .into()
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::super::plan::tests::{container, task};
    use super::*;

    fn shown(kind: EngineKind, given: &[(&str, &str)]) -> String {
        let mut container = container("app", true, &[]);
        container.endpoint_id = "ENDPOINT".into();
        container.definition.environment = given
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let mut task = task(vec![container]);
        task.credentials_id = Some("CREDENTIALS".into());
        let surroundings = Surroundings {
            kind,
            cluster: "probe".into(),
            region: "us-west-2".into(),
            endpoint_url: "http://host".into(),
            api_url: Some("http://api".into()),
            log_endpoint: None,
            block_imds: true,
        };
        let mut text = String::new();
        for (name, value) in surroundings.environment(&task, &task.containers[0], &[]) {
            let _ = writeln!(text, "{name}={value}");
        }
        text
    }

    #[test]
    fn agent_1_1_environment_of_a_docker_container() {
        insta::assert_snapshot!(shown(
            EngineKind::Docker,
            &[("MINE", "1"), ("ECS_AGENT_URI", "forged")]
        ));
    }

    #[test]
    fn agent_1_5_processes_get_a_full_uri() {
        insta::assert_snapshot!(shown(EngineKind::Process, &[]));
    }

    #[test]
    fn agent_1_1_a_region_of_the_image_stands() {
        let mut container = container("app", true, &[]);
        container.image_names_region = true;
        let task = task(vec![container]);
        let surroundings = Surroundings {
            kind: EngineKind::Docker,
            cluster: "probe".into(),
            region: "us-west-2".into(),
            endpoint_url: "http://host".into(),
            api_url: None,
            log_endpoint: None,
            block_imds: true,
        };
        let environment = surroundings.environment(&task, &task.containers[0], &[]);
        assert!(
            environment.iter().all(|(name, _)| !name.ends_with("REGION")),
            "{environment:?}"
        );
    }

    #[test]
    fn agent_1_1_region_and_api_of_the_definition_stand() {
        insta::assert_snapshot!(shown(
            EngineKind::Docker,
            &[("AWS_REGION", "eu-west-1"), ("AWS_ENDPOINT_URL", "x")]
        ));
    }
}
