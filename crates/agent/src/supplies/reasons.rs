//! Why what a task needs could not be had, in the words of `stoppedReason`: those of Fargate, or those of the agent on
//! EC2 and external hosts (docs/execution-role.md).

use super::CallError;

/// AWS's name of the failure.
pub(super) const KIND: &str = "ResourceInitializationError";
const ON_FARGATE: &str = "unable to pull secrets or registry auth: execution resource retrieval failed: ";
const RETRIED: &str = "service call has been retried 1 time(s): ";

/// What was being fetched.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fetching<'a> {
    /// The execution role's own credentials.
    Credentials,
    /// Values of Parameter Store, in a region.
    Parameters(&'a str),
    /// A secret, by its ARN, in a region.
    Secret(&'a str, &'a str),
    /// The secret with a registry's login.
    LoginSecret(&'a str),
    /// ECR's login.
    EcrLogin,
    /// An object, of a bucket.
    EnvironmentFile(&'a str, &'a str),
}

impl Fetching<'_> {
    /// The reason, without its name.
    pub(super) fn failed(self, is_fargate: bool, problem: &str) -> String {
        match is_fargate {
            true => self.on_fargate(problem),
            false => self.on_hosts(problem),
        }
    }

    fn on_fargate(self, problem: &str) -> String {
        match self {
            Self::Credentials => format!("{ON_FARGATE}{problem}"),
            Self::Parameters(_) => {
                format!("{ON_FARGATE}unable to retrieve secrets from ssm: {RETRIED}{problem}")
            }
            Self::Secret(arn, _) => format!(
                "{ON_FARGATE}unable to retrieve secret from asm: {RETRIED}failed to fetch secret {arn} from secrets manager: {problem}"
            ),
            Self::LoginSecret(arn) => format!(
                "{ON_FARGATE}unable to get registry auth from asm: {RETRIED}asm fetching secret from the service for {arn}: {problem}"
            ),
            Self::EcrLogin => format!("{ON_FARGATE}unable to retrieve ecr registry auth: {RETRIED}{problem}"),
            Self::EnvironmentFile(..) => format!(
                "failed to download env files: file download command: non empty error stream: {RETRIED}{problem}"
            ),
        }
    }

    fn on_hosts(self, problem: &str) -> String {
        match self {
            Self::Credentials => problem.to_owned(),
            Self::Parameters(region) => {
                format!("fetching secret data from SSM Parameter Store in {region}: {problem}")
            }
            Self::Secret(arn, region) => format!(
                "fetching secret data from AWS Secrets Manager in region {region}: secret {arn}: {problem}"
            ),
            Self::LoginSecret(arn) => format!("asm fetching secret from the service for {arn}: {problem}"),
            Self::EcrLogin => problem.to_owned(),
            Self::EnvironmentFile(key, bucket) => {
                format!("unable to download env file with key {key} from bucket {bucket}, error: {problem}")
            }
        }
    }
}

/// A call's failure, as an SDK prints it.
pub(super) fn of_call(error: &CallError) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agent_6_reasons_are_worded_as_ecs_words_them() {
        let denied = "AccessDeniedException: User: x is not authorized to perform: y on resource: z";
        let all = [
            Fetching::Credentials,
            Fetching::Parameters("us-west-2"),
            Fetching::Secret("arn:s", "us-west-2"),
            Fetching::LoginSecret("arn:l"),
            Fetching::EcrLogin,
            Fetching::EnvironmentFile("a.env", "files"),
        ];
        let texts: Vec<_> = [true, false]
            .iter()
            .flat_map(|fargate| all.map(|one| one.failed(*fargate, denied)))
            .collect();
        insta::assert_debug_snapshot!(texts);
    }
}
