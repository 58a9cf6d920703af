//! What a task gets from elsewhere before it starts: secrets, logins at registries, environment files; fetched as its execution
//! role from the control plane's services (agent.md 6, docs/execution-role.md). Values are in memory alone, from when they
//! are fetched until the task's containers have been made.

mod door;
pub(crate) mod env_file;
mod hidden;
mod logins;
mod public;
mod reasons;
mod secrets;
mod wants;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portcullis_api::ecr::GetAuthorizationTokenRequest;
use portcullis_api::ecr::op::GetAuthorizationToken;
use portcullis_core::{Random, Secret, Timestamp};
use portcullis_wire::{Operation, decode_reply, encode_request};
use serde::Deserialize;
use tokio::sync::OnceCell;

pub(crate) use self::door::Door;
use self::hidden::Hidden;
pub use self::logins::RegistryLogins;
use self::logins::{EcrKey, EcrLogins};
pub(crate) use self::logins::{GivenLogins, RegistryLogin};
pub(crate) use self::public::is_public;
use self::reasons::{Fetching, KIND, of_call};
use self::wants::WantedSecret;
pub(crate) use self::wants::{SecretTarget, WantedLogin, Wants};
use crate::credentials::{CredentialCache, RoleCredentials};
use crate::engine::EngineError;
use crate::plane::{CallError, ControlPlane, Signing};
use crate::task::model::Task;

/// How long the execution role's credentials are waited for (agent.md 6).
const CREDENTIALS_WAIT: Duration = Duration::from_secs(60);
/// Tries of a call that was not refused for good.
const TRIES: u32 = 3;
const TRY_PAUSE: Duration = Duration::from_millis(300);
const WITHOUT_CREDENTIALS: &str = "unable to find execution role credentials";
/// ECS lets definitions in whose environment files nobody may fetch; nothing is waited for.
const WITHOUT_ROLE: &str =
    "unable to find execution role credentials: the task definition has no executionRoleArn";

/// A task's side of it.
#[derive(Debug, Clone)]
pub(crate) struct Customer {
    arn: String,
    execution_credentials_id: Option<String>,
    is_fargate: bool,
    /// By the containers' names.
    wants: Vec<(String, Wants)>,
}

impl Customer {
    /// What of the task matters here.
    pub(crate) fn of(task: &Task) -> Self {
        let containers = task.containers.iter().map(|one| &one.definition);
        Self {
            arn: task.arn.clone(),
            execution_credentials_id: task.execution_credentials_id.clone(),
            is_fargate: task.is_fargate(),
            wants: containers
                .map(|one| (one.name.clone(), one.supplies.clone()))
                .collect(),
        }
    }

    fn login(&self, container: &str) -> Option<&WantedLogin> {
        let (_, wants) = self.wants.iter().find(|(name, _)| name == container)?;
        wants.login.as_ref()
    }
}

/// What one container got.
#[derive(Debug, Clone, Default)]
pub(crate) struct Supplied {
    /// Of its environment files.
    pub(crate) files: Vec<(String, Secret)>,
    /// Its secrets.
    pub(crate) environment: Vec<(String, Secret)>,
    /// Those of its log driver.
    pub(crate) log_options: Vec<(String, Secret)>,
    login: Option<RegistryLogin>,
}

/// How the engine gets at an image.
#[derive(Debug, Clone, Default)]
pub(crate) struct Access {
    /// Who it is there.
    pub(crate) login: Option<RegistryLogin>,
    /// In front of the image's name: where to ask for it instead.
    pub(crate) door: Option<SocketAddr>,
}

/// The way of a container to its image. Nobody is asked for a login before an image has to come.
#[derive(Debug)]
pub(crate) struct ImageAccess {
    supplies: Arc<Supplies>,
    customer: Customer,
    container: String,
}

impl ImageAccess {
    /// Of a container of a task.
    pub(crate) fn new(supplies: &Arc<Supplies>, customer: Customer, container: &str) -> Self {
        Self {
            supplies: Arc::clone(supplies),
            customer,
            container: container.to_owned(),
        }
    }

    /// How the engine gets at the image.
    pub(crate) async fn get(&self, image: &str) -> Result<Access, EngineError> {
        self.supplies.access(&self.customer, &self.container, image).await
    }
}

/// Of one task: the reason when they could not be had.
type Cell = OnceCell<Result<HashMap<String, Arc<Supplied>>, String>>;

/// Fetches them.
#[derive(Debug)]
pub(crate) struct Supplies {
    plane: ControlPlane,
    cache: Arc<CredentialCache>,
    random: Arc<dyn Random>,
    given: GivenLogins,
    ecr: EcrLogins,
    /// Absent where there are no images.
    door: Option<Door>,
    /// By task.
    fetched: Mutex<HashMap<String, Arc<Cell>>>,
}

/// Who asks services, for a task.
pub(in crate::supplies) struct Asker<'a> {
    plane: &'a ControlPlane,
    signer: Signer<'a>,
    is_fargate: bool,
}

#[derive(Clone, Copy)]
enum Signer<'a> {
    ExecutionRole(&'a RoleCredentials),
    Instance,
}

impl Supplies {
    /// Over the credentials that come for tasks.
    pub(crate) fn new(
        plane: ControlPlane,
        cache: Arc<CredentialCache>,
        random: Arc<dyn Random>,
        given: GivenLogins,
        door: Option<Door>,
    ) -> Self {
        Self {
            plane,
            cache,
            random,
            given,
            ecr: EcrLogins::default(),
            door,
            fetched: Mutex::default(),
        }
    }

    /// Fetches all that comes before the images of a task, once for all its containers; the reason when it fails.
    pub(crate) async fn fetch(&self, customer: &Customer) -> Result<(), String> {
        let cell = {
            let mut fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(fetched.entry(customer.arn.clone()).or_default())
        };
        let outcome = cell.get_or_init(|| async {
            let fetched = self.fetch_now(customer).await;
            fetched.map_err(|problem| format!("{KIND}: {problem}"))
        });
        outcome.await.as_ref().map(|_| ()).map_err(Clone::clone)
    }

    /// What a container got; nothing when nothing was fetched.
    pub(crate) fn of(&self, arn: &str, container: &str) -> Arc<Supplied> {
        let fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        let found = fetched
            .get(arn)
            .and_then(|cell| cell.get()?.as_ref().ok()?.get(container));
        found.map(Arc::clone).unwrap_or_default()
    }

    /// The values of a task are wiped.
    pub(crate) fn forget(&self, arn: &str) {
        let mut fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        fetched.remove(arn);
    }

    /// How the image of a container is got at.
    async fn access(&self, customer: &Customer, container: &str, image: &str) -> Result<Access, EngineError> {
        let Some(wanted) = customer.login(container) else {
            return self.open_access(customer, image).await;
        };
        let login = match wanted {
            WantedLogin::Secret { .. } => self.of(&customer.arn, container).login.clone(),
            WantedLogin::Ecr { .. } => {
                let login = self.ecr_login(customer, wanted).await;
                Some(login.map_err(|problem| {
                    EngineError::Refused(format!("CannotPullECRContainerError: {problem}"))
                })?)
            }
        };
        let is_ecr = matches!(wanted, WantedLogin::Ecr { .. });
        let door = self.door.as_ref().filter(|_| is_ecr).map(Door::address);
        Ok(Access { login, door })
    }

    /// The same for an image that the task has no login for.
    async fn open_access(&self, customer: &Customer, image: &str) -> Result<Access, EngineError> {
        let given = (!customer.is_fargate).then(|| self.given.of(image)).flatten();
        let login = given.clone();
        let directly = Access { login, door: None };
        let door = self.door.as_ref();
        let Some(door) = door.filter(|_| given.is_none() && is_public(image)) else {
            return Ok(directly);
        };
        let login = self.public_login(customer).await;
        let login =
            login.map_err(|problem| EngineError::Refused(format!("CannotPullContainerError: {problem}")))?;
        Ok(match login {
            None => directly,
            login => Access {
                login,
                door: Some(door.address()),
            },
        })
    }

    /// The host's own login for images of ECR Public, where they come from the control plane: it lets nobody in whom it does
    /// not know.
    async fn public_login(&self, customer: &Customer) -> Result<Option<RegistryLogin>, String> {
        let mut tries = 1;
        let by_the_plane = loop {
            match public::come_by_the_plane(&self.plane).await {
                Err(error) if tries < TRIES && is_passing(&error) => {
                    tokio::time::sleep(TRY_PAUSE * tries).await;
                    tries += 1;
                }
                answer => break answer.map_err(|error| of_call(&error))?,
            }
        };
        if !by_the_plane {
            return Ok(None);
        }
        let account = customer.arn.split(':').nth(4).unwrap_or_default();
        let wanted = WantedLogin::Ecr {
            region: self.plane.region().to_owned(),
            registry: account.to_owned(),
            by_execution_role: false,
        };
        self.ecr_login(customer, &wanted).await.map(Some)
    }

    async fn fetch_now(&self, customer: &Customer) -> Result<HashMap<String, Arc<Supplied>>, String> {
        let failed = |problem| Fetching::Credentials.failed(customer.is_fargate, problem);
        let keys = self.execution_keys(customer).await.map_err(failed)?;
        let asker = Asker {
            plane: &self.plane,
            signer: Signer::ExecutionRole(&keys),
            is_fargate: customer.is_fargate,
        };
        let mut logins = HashMap::new();
        for (container, wants) in &customer.wants {
            match &wants.login {
                Some(WantedLogin::Secret { arn, region }) => {
                    logins.insert(container, secrets::login(&asker, region, arn).await?);
                }
                Some(wanted) if customer.is_fargate => {
                    let login = self.ecr_login(customer, wanted).await;
                    login.map_err(|problem| Fetching::EcrLogin.failed(true, &problem))?;
                }
                _ => {}
            }
        }
        let wanted: Vec<&WantedSecret> = customer
            .wants
            .iter()
            .flat_map(|(_, wants)| &wants.secrets)
            .collect();
        let values = secrets::fetch(&asker, &wanted).await?;
        let mut all = HashMap::new();
        for (container, wants) in &customer.wants {
            let files = asker.environment_files(&wants.environment_files).await?;
            let of = |target: SecretTarget| -> Vec<(String, Secret)> {
                let own = wants.secrets.iter().filter(|one| one.target == target);
                own.filter_map(|one| Some((one.name.clone(), values.of(one)?)))
                    .collect()
            };
            let supplied = Supplied {
                files,
                environment: of(SecretTarget::Environment),
                log_options: of(SecretTarget::LogDriver),
                login: logins.remove(container),
            };
            all.insert(container.clone(), Arc::new(supplied));
        }
        Ok(all)
    }

    /// The execution role's keys, waited for if need be.
    async fn execution_keys(&self, customer: &Customer) -> Result<Arc<RoleCredentials>, &'static str> {
        let id = customer.execution_credentials_id.as_deref().ok_or(WITHOUT_ROLE)?;
        let coming = async {
            loop {
                let change = self.cache.next_change();
                if let Some(keys) = self.cache.keys(id) {
                    return keys;
                }
                change.await;
            }
        };
        let waited = tokio::time::timeout(CREDENTIALS_WAIT, coming).await;
        waited.map_err(|_| WITHOUT_CREDENTIALS)
    }

    async fn ecr_login(&self, customer: &Customer, wanted: &WantedLogin) -> Result<RegistryLogin, String> {
        let WantedLogin::Ecr {
            region,
            registry,
            by_execution_role,
        } = wanted
        else {
            return Err("this is no login of ECR".to_owned());
        };
        let keys = match by_execution_role {
            true => Some(self.execution_keys(customer).await?),
            false => None,
        };
        let key = EcrKey {
            identity: match &keys {
                Some(keys) => format!("{} {}", keys.id, keys.access_key_id),
                None => "instance".to_owned(),
            },
            region: region.clone(),
            registry: registry.clone(),
        };
        if let Some(login) = self.ecr.get(&key, self.plane.now()) {
            return Ok(login);
        }
        let asker = Asker {
            plane: &self.plane,
            signer: keys.as_deref().map_or(Signer::Instance, Signer::ExecutionRole),
            is_fargate: customer.is_fargate,
        };
        let (login, ends) = asker.ecr_login(region, registry).await?;
        self.ecr.put(key, login.clone(), ends, self.random.as_ref());
        Ok(login)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Authorization {
    authorization_data: Vec<AuthorizationData>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthorizationData {
    authorization_token: Hidden,
    /// Seconds.
    expires_at: f64,
}

impl Asker<'_> {
    fn signing<'s>(&'s self, service: &'static str, region: &'s str) -> Signing<'s> {
        match self.signer {
            Signer::ExecutionRole(keys) => Signing::Role(keys, service, region),
            Signer::Instance => Signing::InstanceIn(service, region),
        }
    }

    /// One call; its answer as it came, for it may hold secrets.
    async fn ask<O: Operation>(&self, region: &str, input: &O::Input) -> Result<Secret, CallError> {
        let mut tries = 1;
        loop {
            match self.try_ask::<O>(region, input).await {
                Err(error) if tries < TRIES && is_passing(&error) => {
                    tracing::warn!(%error, operation = O::META.name, "trying again");
                    tokio::time::sleep(TRY_PAUSE * tries).await;
                    tries += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn try_ask<O: Operation>(&self, region: &str, input: &O::Input) -> Result<Secret, CallError> {
        let request = encode_request::<O>(input);
        let signing = self.signing(O::META.service.name, region);
        let (status, body) = self
            .plane
            .post(signing, "/", request.headers, request.body)
            .await?;
        if status != 200 {
            decode_reply::<O>(status, &body)?;
        }
        let text = String::from_utf8(body.into());
        text.map(Secret::new)
            .map_err(|_| CallError::Unreachable("the answer is no text".to_owned()))
    }

    async fn ecr_login(&self, region: &str, registry: &str) -> Result<(RegistryLogin, Timestamp), String> {
        let input = GetAuthorizationTokenRequest {
            registry_ids: Some(vec![registry.to_owned()]),
        };
        let reply = self.ask::<GetAuthorizationToken>(region, &input).await;
        let reply = reply.map_err(|error| of_call(&error))?;
        let found: Option<Authorization> = serde_json::from_str(reply.expose()).ok();
        let data = found.map(|found| found.authorization_data).unwrap_or_default();
        let [data] = data.as_slice() else {
            return Err(format!("ECR has no authorization data for registry {registry}"));
        };
        let token = Secret::new(data.authorization_token.expose());
        let login = logins::of_token(&token).ok_or("ECR's authorization token cannot be read")?;
        // A number of seconds this century.
        #[expect(clippy::cast_possible_truncation, reason = "saturates")]
        let ends = Timestamp::from_seconds(data.expires_at as i64);
        Ok((login, ends))
    }

    /// The variables of files, the first of a name.
    async fn environment_files(&self, arns: &[String]) -> Result<Vec<(String, Secret)>, String> {
        let mut files = Vec::new();
        for arn in arns {
            let Some((bucket, key)) = env_file::place(arn) else {
                return Err(format!("unable to read the ARN of the env file {arn}"));
            };
            let fetching = Fetching::EnvironmentFile(key, bucket);
            let failed = |problem: &str| fetching.failed(self.is_fargate, problem);
            let signing = self.signing("s3", self.plane.region());
            let path = env_file::path(bucket, key);
            let read = self.plane.object(signing, &path, env_file::BYTES_MAX).await;
            let (status, body) = read.map_err(|error| failed(&of_call(&error)))?;
            if status != 200 {
                return Err(failed(&env_file::error_text(status, &body)));
            }
            let variables = env_file::parse(&body).map_err(|_| failed("the file is no UTF-8 text"))?;
            files.push(variables);
        }
        Ok(env_file::merge(files))
    }
}

/// Whether it may go better the next time.
pub(crate) fn is_passing(error: &CallError) -> bool {
    match error {
        CallError::Unreachable(_) => true,
        CallError::Refused(refused) => refused.status() >= 500 || refused.code().contains("Throttl"),
    }
}

#[cfg(test)]
mod tests;
