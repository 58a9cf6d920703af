//! Images of other registries, by pull-through cache rules: fetched when they are not here, looked after once a day. Whoever
//! reads an image has it brought, by the registry's door or by the API.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use portcullis_api::ecr::{ImageFailure, ImageIdentifier, op};
use portcullis_blobs::{Blob, BlobError, Digest, Writer};
use portcullis_store::StoreError;
use serde_json::{Value, json};
use tokio::sync::OwnedMutexGuard;

use super::errors::EcrError;
use super::image_ids::is_tag;
use super::imports::{self, Import, Wanted};
use super::names::{Named, upload_owner};
use crate::gate::call::{Call, OtherPictures};
use crate::gate::error::ServiceError;
use crate::gate::operation::{Authorized, Prepared};
use crate::gate::{Gate, ledger};
use crate::upstream::{Body, Failed, LAYER_BYTES_MAX, Login, Place, Session, Upstream, Upstreams};
use crate::world::{Tx, World, WriteError};

/// What could not be brought, for the answer of BatchGetImage.
#[derive(Debug, Default)]
pub(super) struct Unbrought(Vec<ImageFailure>);

impl Unbrought {
    /// Why an image did not come.
    pub fn failure(&self, id: &ImageIdentifier) -> Option<&ImageFailure> {
        self.0
            .iter()
            .find(|failure| failure.image_id.as_ref() == Some(id))
    }

    /// Whether everything came.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Why an image did not come.
#[derive(Debug)]
enum NotBrought {
    /// Said of the image alone.
    Image { code: &'static str, reason: String },
    /// The call's end.
    Call(ServiceError),
}

impl From<EcrError> for NotBrought {
    fn from(error: EcrError) -> Self {
        Self::Call(error.into())
    }
}

impl From<ServiceError> for NotBrought {
    fn from(error: ServiceError) -> Self {
        Self::Call(error)
    }
}

/// Has the images of a call brought where a rule says whence, and they are not here or were not looked after for a day. What
/// is here already is good enough if that fails.
pub(super) fn bring<'a>(
    gate: &'a Gate,
    auth: Authorized<'a, op::BatchGetImage>,
) -> BoxFuture<'a, Result<Option<Box<Prepared>>, ServiceError>> {
    Box::pin(async move {
        let (input, call) = (auth.input(), auth.call());
        let name = &input.repository_name;
        if !Named::of(input.registry_id.as_ref(), name).is_here(call) {
            return Ok(None);
        }
        let mut unbrought = None;
        for id in &input.image_ids {
            let Some(reference) = reference(id) else {
                continue;
            };
            let view = gate.world().view();
            let Some(wanted) = imports::wanted(&view, &call.region, name, reference, call.now) else {
                continue;
            };
            let Unbrought(failures) = unbrought.get_or_insert_with(Unbrought::default);
            let is_held = wanted.is_held;
            match bring_one(gate, call, name, reference, wanted).await {
                Ok(()) => {}
                Err(why) if is_held => {
                    tracing::info!(
                        name,
                        ?why,
                        "an image could not be looked after; the one that is here is served"
                    );
                }
                Err(NotBrought::Image { code, reason }) => failures.push(ImageFailure {
                    image_id: Some(id.clone()),
                    failure_code: Some(code.to_owned()),
                    failure_reason: Some(reason),
                }),
                Err(NotBrought::Call(error)) => return Err(error),
            }
        }
        Ok(unbrought.map(|unbrought| Box::new(unbrought) as Box<Prepared>))
    })
}

/// What an upstream registry is to be asked for; `None` if nobody can have such an image.
fn reference(id: &ImageIdentifier) -> Option<&str> {
    match (&id.image_digest, &id.image_tag) {
        (Some(digest), _) => digest.parse::<Digest>().is_ok().then_some(digest),
        (None, tag) => tag.as_deref().filter(|tag| is_tag(tag)),
    }
}

async fn bring_one(
    gate: &Gate,
    call: &Call,
    name: &str,
    reference: &str,
    wanted: Wanted,
) -> Result<(), NotBrought> {
    let call = Call {
        operation: imports::OPERATION,
        others: OtherPictures::default(),
        ..call.clone()
    };
    let checks = imports::checks(&gate.world().view(), &call, name);
    gate.check(&call, &checks).await?;
    let registry = wanted.rule.upstream_url.clone();
    let upstream = gate.upstreams().get(&registry).ok_or_else(|| NotBrought::Image {
        code: "ImageNotFound",
        reason: imports::unnamed(&wanted.rule),
    })?;
    let login = imports::login(&gate.world().view(), gate.environment(), &call, &wanted.rule)?;
    // Whoever waits for another's fetch and goes leaves nothing behind.
    let turn = format!("{}/{}/{name}@{reference}", call.account, call.region);
    let turn = gate.upstreams().turn(&turn).lock_owned().await;
    if imports::wanted(&gate.world().view(), &call.region, name, reference, call.now).is_none() {
        return Ok(());
    }
    let place = gate
        .upstreams()
        .queue(&call.caller.account)
        .ok_or_else(too_many)?;
    let fetch = Fetch {
        _turn: turn,
        _queued: place,
        world: Arc::clone(gate.world()),
        upstreams: Arc::clone(gate.upstreams()),
        upstream: Arc::clone(upstream),
        upstream_name: wanted.upstream_name,
        registry,
        login,
        name: name.to_owned(),
        reference: reference.to_owned(),
        call,
    };
    // Whoever waits may go: the image comes all the same, for the next one who asks.
    let fetched = tokio::spawn(fetch.run()).await;
    fetched.unwrap_or_else(|_| Err(EcrError::Internal.into()))
}

/// The bringing of one image.
struct Fetch {
    /// Nobody else brings it meanwhile.
    _turn: OwnedMutexGuard<()>,
    _queued: Place,
    world: Arc<World>,
    upstreams: Arc<Upstreams>,
    upstream: Arc<Upstream>,
    upstream_name: String,
    /// What rules call the other registry.
    registry: String,
    login: Option<Login>,
    name: String,
    reference: String,
    call: Call,
}

impl Fetch {
    async fn run(self) -> Result<(), NotBrought> {
        let _place = self.upstreams.place().await;
        let mut session = Session::new(&self.upstream, &self.upstream_name, self.login.as_ref());
        let found = match session.manifest(&self.reference).await {
            // ECR's own words follow.
            Err(Failed::Missing) => return Ok(()),
            found => found.map_err(|failed| self.failed(failed))?,
        };
        let import = Import::read(&self.name, &self.reference, found);
        let import = import.map_err(|error| self.unusable(&error.to_string()))?;
        self.make_repository(&import).await?;
        let missing = import.missing(&self.world.view(), &self.call);
        for (digest, size) in missing.map_err(|error| self.unusable(&error.to_string()))? {
            let blob = self.layer(&mut session, &digest, size).await?;
            let keep = |tx: &mut Tx<'_>| import.keep_layer(tx, &self.call, &blob);
            self.world.write(keep).await.map_err(unwritten)?;
        }
        let parameters = json!({ "repositoryName": self.name, "imageIds": [self.image_id()] });
        let keep = |tx: &mut Tx<'_>| {
            import.keep(tx, &self.call)?;
            Ok(Value::Null)
        };
        ledger::change_on_record(&self.world, &self.call, parameters, keep).await?;
        Ok(())
    }

    fn image_id(&self) -> Value {
        match self.reference.contains(':') {
            true => json!({ "imageDigest": self.reference }),
            false => json!({ "imageTag": self.reference }),
        }
    }

    async fn make_repository(&self, import: &Import) -> Result<(), NotBrought> {
        if !import.is_homeless(&self.world.view(), &self.call) {
            return Ok(());
        }
        let call = Call {
            operation: "CreateRepository",
            ..self.call.clone()
        };
        let parameters = json!({ "repositoryName": self.name });
        let make = |tx: &mut Tx<'_>| {
            import.make_repository(tx, &self.call)?;
            Ok(Value::Null)
        };
        ledger::change_on_record(&self.world, &call, parameters, make).await?;
        Ok(())
    }

    /// Streams a layer into the blob store. It is there only if its bytes are those of its digest.
    async fn layer(&self, session: &mut Session<'_>, digest: &Digest, size: u64) -> Result<Blob, NotBrought> {
        let answer = session.blob(digest).await.map_err(|failed| match failed {
            Failed::Missing => self.unusable(&format!("it has no layer {digest}")),
            failed => self.failed(failed),
        })?;
        let blobs = self.world.blobs();
        let owner = upload_owner(&self.call.account, &self.call.region, &self.name);
        let upload = blobs.begin(&owner).await.map_err(unkept)?;
        let received = async {
            let writer = blobs.writer(&upload, 0).await.map_err(unkept)?;
            let announced = (size > 0).then_some(size);
            if !write(answer.body, writer, announced).await.map_err(unkept)? {
                return Err(self.unusable(&format!("the layer {digest} broke off or has another size")));
            }
            match blobs.finish(&upload, Some(*digest)).await {
                Err(BlobError::WrongDigest { .. }) => {
                    Err(self.unusable(&format!("the layer {digest} has another digest")))
                }
                finished => finished.map_err(unkept),
            }
        };
        let received = received.await;
        if received.is_err() {
            // What is left of it goes in a day otherwise.
            let _ = blobs.discard(&upload).await;
        }
        received
    }

    fn failed(&self, failed: Failed) -> NotBrought {
        let code = match failed {
            Failed::Denied => "UpstreamAccessDenied",
            Failed::TooOften => "UpstreamTooManyRequests",
            Failed::Missing | Failed::Unavailable => "UpstreamUnavailable",
        };
        let reason = failed.said_of(&self.registry, &self.upstream_name);
        NotBrought::Image { code, reason }
    }

    fn unusable(&self, why: &str) -> NotBrought {
        let (registry, name) = (&self.registry, &self.upstream_name);
        NotBrought::Image {
            code: "UpstreamUnavailable",
            reason: format!(
                "The upstream registry '{registry}' gave an image of '{name}' that cannot be kept: {why}."
            ),
        }
    }
}

/// Writes a layer that comes to an upload; false if it breaks off, or has not as many bytes as it has to.
async fn write(mut body: Body, mut writer: Writer, announced: Option<u64>) -> Result<bool, BlobError> {
    let most = announced.unwrap_or(LAYER_BYTES_MAX);
    let mut received = 0_u64;
    loop {
        match body.part().await {
            Err(_) => return Ok(false),
            Ok(None) => break,
            Ok(Some(part)) => {
                received += part.len() as u64;
                if received > most {
                    return Ok(false);
                }
                writer.write(&part).await?;
            }
        }
    }
    writer.flush().await?;
    Ok(announced.is_none_or(|announced| announced == received))
}

fn too_many() -> NotBrought {
    NotBrought::Image {
        code: "UpstreamTooManyRequests",
        reason: "Too many images of other registries are on their way. Try again later.".to_owned(),
    }
}

fn unkept(error: BlobError) -> NotBrought {
    match error {
        BlobError::NoSpace => EcrError::NoSpace.into(),
        error => {
            tracing::error!(%error, "the blob store failed");
            EcrError::Internal.into()
        }
    }
}

fn unwritten(error: WriteError<ServiceError>) -> NotBrought {
    match error {
        WriteError::Refused(error) => NotBrought::Call(error),
        WriteError::Store(error) => {
            tracing::error!(%error, "a layer of an upstream registry could not be kept");
            match error {
                StoreError::DiskFull => EcrError::NoSpace.into(),
                _ => EcrError::Internal.into(),
            }
        }
    }
}
