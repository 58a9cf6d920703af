//! Values of Parameter Store and Secrets Manager, fetched as the execution role (agent.md 6).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use portcullis_api::secretsmanager::GetSecretValueRequest;
use portcullis_api::secretsmanager::op::GetSecretValue;
use portcullis_api::ssm::GetParametersRequest;
use portcullis_api::ssm::op::GetParameters;
use portcullis_core::Secret;
use serde::Deserialize;

use super::hidden::Hidden;
use super::logins::RegistryLogin;
use super::reasons::{Fetching, of_call};
use super::wants::{SecretStore, WantedSecret};
use super::{Asker, CallError};

/// Most names of one GetParameters.
const NAMES_MAX: usize = 10;

/// Fetched values, by where they came from.
#[derive(Debug, Default)]
pub(super) struct Values(HashMap<(SecretStore, String, String), Secret>);

impl Values {
    /// The value of what is wanted.
    pub(super) fn of(&self, wanted: &WantedSecret) -> Option<Secret> {
        self.0.get(&key(wanted)).cloned()
    }
}

fn key(wanted: &WantedSecret) -> (SecretStore, String, String) {
    (wanted.store, wanted.region.clone(), wanted.value_from.clone())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Parameters {
    parameters: Vec<Parameter>,
    invalid_parameters: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    name: String,
    value: Hidden,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SecretValue {
    secret_string: Option<Hidden>,
}

#[derive(Deserialize)]
struct Login {
    username: Hidden,
    password: Hidden,
}

/// All values of a task. Each is asked for once, also when several containers want it; all that fails is told together.
pub(super) async fn fetch(asker: &Asker<'_>, wanted: &[&WantedSecret]) -> Result<Values, String> {
    let mut values = Values::default();
    let mut problems = Vec::new();
    for (region, names) in parameters(wanted) {
        for batch in names.chunks(NAMES_MAX) {
            match parameter_values(asker, &region, batch).await {
                Ok(found) => values.0.extend(found),
                Err(problem) => problems.push(problem),
            }
        }
    }
    if problems.is_empty() {
        let secrets: BTreeSet<_> = wanted
            .iter()
            .filter(|one| one.store == SecretStore::SecretsManager)
            .map(|one| (&one.region, &one.value_from))
            .collect();
        for (region, value_from) in secrets {
            match secret_value(asker, region, value_from).await {
                Ok(value) => {
                    let key = (SecretStore::SecretsManager, region.clone(), value_from.clone());
                    values.0.insert(key, value);
                }
                Err(problem) => problems.push(problem),
            }
        }
    }
    match problems.is_empty() {
        true => Ok(values),
        false => Err(problems.join(";")),
    }
}

/// Names by their regions, each once.
fn parameters(wanted: &[&WantedSecret]) -> BTreeMap<String, Vec<String>> {
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in wanted.iter().filter(|one| one.store == SecretStore::Parameters) {
        let of_region = names.entry(one.region.clone()).or_default();
        if !of_region.contains(&one.value_from) {
            of_region.push(one.value_from.clone());
        }
    }
    names
}

type Found = Vec<((SecretStore, String, String), Secret)>;

async fn parameter_values(asker: &Asker<'_>, region: &str, names: &[String]) -> Result<Found, String> {
    let failed = |problem: &str| Fetching::Parameters(region).failed(asker.is_fargate, problem);
    let input = GetParametersRequest {
        names: names.to_vec(),
        with_decryption: Some(true),
    };
    let reply = asker.ask::<GetParameters>(region, &input).await;
    let reply = reply.map_err(|error| failed(&of_call(&error)))?;
    let found: Parameters = read(&reply).map_err(|problem| failed(&problem))?;
    if !found.invalid_parameters.is_empty() {
        let names = found.invalid_parameters.join(",");
        return Err(failed(&format!("invalid parameters: {names}")));
    }
    let values: HashMap<_, _> = found
        .parameters
        .into_iter()
        .map(|one| (one.name, Secret::from(one.value)))
        .collect();
    let value = |name: &String| match values.get(name) {
        Some(value) => {
            let key = (SecretStore::Parameters, region.to_owned(), name.clone());
            Ok((key, value.clone()))
        }
        None => Err(failed(&format!("the answer has no parameter {name}"))),
    };
    names.iter().map(value).collect()
}

/// What of a secret is wanted: `ARN` or `ARN:KEY:STAGE:VERSION`, each of the three may be empty.
#[derive(Debug, PartialEq, Eq)]
struct Reference<'a> {
    arn: String,
    json_key: Option<&'a str>,
    stage: Option<&'a str>,
    version: Option<&'a str>,
}

fn reference(value_from: &str) -> Option<Reference<'_>> {
    let parts: Vec<_> = value_from.split(':').collect();
    let arn = parts.get(..7)?.join(":");
    let given = |at: usize| parts.get(at).copied().filter(|text| !text.is_empty());
    matches!(parts.len(), 7 | 10).then(|| Reference {
        arn,
        json_key: given(7),
        stage: given(8),
        version: given(9),
    })
}

async fn secret_value(asker: &Asker<'_>, region: &str, value_from: &str) -> Result<Secret, String> {
    let fetching = Fetching::Secret(value_from, region);
    let failed = |problem: &str| fetching.failed(asker.is_fargate, problem);
    let wanted = reference(value_from)
        .ok_or_else(|| failed("unexpected ARN format with parameters when trying to retrieve ASM secret"))?;
    let input = GetSecretValueRequest {
        secret_id: wanted.arn.clone(),
        version_id: wanted.version.map(str::to_owned),
        version_stage: wanted.stage.map(str::to_owned),
    };
    let text = secret_text(asker, region, &input)
        .await
        .map_err(|problem| failed(&problem))?;
    let Some(json_key) = wanted.json_key else {
        return Ok(text);
    };
    // The JSON's own error would show a piece of it.
    let members: HashMap<String, Hidden> = serde_json::from_str(text.expose()).map_err(|_| {
        failed(&format!(
            "trying to retrieve secret with value {value_from} resulted in error: the secret is no JSON object"
        ))
    })?;
    let member = members.get(json_key).cloned().ok_or_else(|| {
        failed(&format!(
            "retrieved secret from AWS Secrets Manager did not contain json key {json_key}"
        ))
    })?;
    Ok(member.into())
}

async fn secret_text(
    asker: &Asker<'_>,
    region: &str,
    input: &GetSecretValueRequest,
) -> Result<Secret, String> {
    let reply = asker.ask::<GetSecretValue>(region, input).await;
    let reply = reply.map_err(|error| missing(&input.secret_id, &error))?;
    let value: SecretValue = read(&reply)?;
    let text = value.secret_string.map(Secret::from);
    text.ok_or_else(|| "the secret has no text, only bytes".to_owned())
}

/// One that is not there has words of its own.
fn missing(arn: &str, error: &CallError) -> String {
    match error {
        CallError::Refused(refused) if refused.code() == "ResourceNotFoundException" => format!(
            "ResourceNotFoundException: The task can't retrieve the secret with ARN '{arn}' from AWS Secrets Manager. Check whether the \
             secret exists in the specified Region. {error}"
        ),
        other => of_call(other),
    }
}

/// The login a secret holds: `{"username": .., "password": ..}`.
pub(super) async fn login(asker: &Asker<'_>, region: &str, arn: &str) -> Result<RegistryLogin, String> {
    let failed = |problem: &str| Fetching::LoginSecret(arn).failed(asker.is_fargate, problem);
    let input = GetSecretValueRequest {
        secret_id: arn.to_owned(),
        ..GetSecretValueRequest::default()
    };
    let text = secret_text(asker, region, &input)
        .await
        .map_err(|problem| failed(&problem))?;
    let login: Login = serde_json::from_str(text.expose())
        .map_err(|_| failed("the secret is no JSON object with username and password"))?;
    Ok(RegistryLogin {
        user: login.username.expose().to_owned(),
        password: login.password.into(),
    })
}

/// An answer that holds secrets. What is wrong with it is not told: it would be a piece of it.
fn read<'a, T: Deserialize<'a>>(reply: &'a Secret) -> Result<T, String> {
    serde_json::from_str(reply.expose()).map_err(|_| "the answer cannot be read".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:secretsmanager:us-west-2:111122223333:secret:db-AbCdEf";

    #[test]
    fn agent_6_secrets_are_named_with_seven_or_ten_parts() {
        let found = |tail: &str| {
            let text = format!("{ARN}{tail}");
            reference(&text).map(|one| {
                assert_eq!(one.arn, ARN);
                [one.json_key, one.stage, one.version].map(|part| part.unwrap_or("-").to_owned())
            })
        };
        assert_eq!(found("").unwrap(), ["-", "-", "-"]);
        assert_eq!(found(":::").unwrap(), ["-", "-", "-"]);
        assert_eq!(found(":key::").unwrap(), ["key", "-", "-"]);
        assert_eq!(found("::AWSPREVIOUS:").unwrap(), ["-", "AWSPREVIOUS", "-"]);
        assert_eq!(found(":key::version").unwrap(), ["key", "-", "version"]);
        for tail in [":key", ":key:stage", ":a:b:c:d"] {
            assert!(found(tail).is_none(), "{tail}");
        }
        assert_eq!(reference("arn:aws:secretsmanager:x"), None);
    }

    #[test]
    fn agent_6_each_parameter_is_asked_for_once_in_its_region() {
        let wanted = |value_from: &str, region: &str| WantedSecret {
            name: "N".into(),
            value_from: value_from.into(),
            region: region.into(),
            store: SecretStore::Parameters,
            target: super::super::wants::SecretTarget::Environment,
        };
        let all = [
            wanted("/a", "us-west-2"),
            wanted("/b", "eu-west-1"),
            wanted("/a", "us-west-2"),
        ];
        let names = parameters(&all.iter().collect::<Vec<_>>());
        assert_eq!(names["us-west-2"], ["/a"]);
        assert_eq!(names["eu-west-1"], ["/b"]);
    }
}
