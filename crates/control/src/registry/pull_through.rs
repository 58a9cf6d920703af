//! Images of other registries, by pull-through cache rules: fetched when they are not here, looked after once a day.

use std::sync::Arc;

use portcullis_blobs::{Blob, BlobError, Digest};
use serde_json::json;

use super::desk::Desk;
use super::errors::{Code, Refusal};
use super::manifests::Reference;
use super::receive::{self, LAYER_BYTES_MAX};
use crate::gate::Gate;
use crate::gate::call::Call;
use crate::gate::error::ServiceError;
use crate::services::ecr::for_registry;
use crate::services::ecr::imports::{self, Import, Wanted};
use crate::upstream::{Failed, Login, Session, Upstream};
use crate::world::{Tx, WriteError};

/// Has an image brought where a rule says whence, and it is not here or was not looked after for a day. What is here already
/// is good enough if that fails.
pub(super) async fn refresh(desk: &Desk<'_>, name: &str, reference: &Reference) -> Result<(), Refusal> {
    let world = desk.gate().world();
    let reference = match reference {
        Reference::Tag(tag) => tag.clone(),
        Reference::Digest(digest) => digest.to_string(),
    };
    let wanted = imports::wanted(&world.view(), &desk.region, name, &reference, world.clock().now());
    let Some(wanted) = wanted else {
        return Ok(());
    };
    let is_held = wanted.is_held;
    match bring(desk, name, reference, wanted).await {
        Err(refusal) if is_held => {
            tracing::info!(
                name,
                ?refusal,
                "an image could not be looked after; the one that is here is served"
            );
            Ok(())
        }
        other => other,
    }
}

async fn bring(desk: &Desk<'_>, name: &str, reference: String, wanted: Wanted) -> Result<(), Refusal> {
    desk.admit("BatchGetImage", "ecr:BatchGetImage", name).await?;
    let call = desk.admit_import(name).await?;
    let gate = desk.gate();
    let registry = wanted.rule.upstream_url.clone();
    let upstream = gate.upstreams().get(&registry).ok_or_else(|| {
        let text = format!(
            "The pull through cache rule '{}' is for the upstream registry '{registry}', which this server was not told to ask: serve --upstream-registry {registry}=URL",
            wanted.rule.prefix
        );
        Refusal::new(Code::ManifestUnknown, text)
    })?;
    let login = imports::login(&gate.world().view(), gate.environment(), &call, &wanted.rule);
    let login = login.map_err(|error| Refusal::of_ecr(&error, Code::Denied))?;
    let fetch = Fetch {
        gate: Arc::clone(gate),
        upstream: Arc::clone(upstream),
        upstream_name: wanted.upstream_name,
        registry,
        login,
        name: name.to_owned(),
        reference,
        call,
    };
    // Whoever waits may go: the image comes all the same, for the next one who asks.
    let fetched = tokio::spawn(fetch.run()).await;
    fetched.unwrap_or_else(|_| Err(Refusal::new(Code::Internal, "The image could not be fetched.")))
}

/// The bringing of one image.
struct Fetch {
    gate: Arc<Gate>,
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
    async fn run(self) -> Result<(), Refusal> {
        let upstreams = Arc::clone(self.gate.upstreams());
        let (account, region) = (&self.call.account, &self.call.region);
        let turn = upstreams.turn(&format!("{account}/{region}/{}@{}", self.name, self.reference));
        let _turn = turn.lock().await;
        let _place = upstreams.place().await;
        let view = self.gate.world().view();
        if imports::wanted(&view, region, &self.name, &self.reference, self.call.now).is_none() {
            return Ok(());
        }
        let mut session = Session::new(&self.upstream, &self.upstream_name, self.login.as_ref());
        let found = match session.manifest(&self.reference).await {
            // ECR's own words follow.
            Err(Failed::Missing) => return Ok(()),
            found => found.map_err(|failed| self.failed(failed))?,
        };
        let import = Import::read(&self.name, &self.reference, found);
        let import = import.map_err(|error| self.unusable(&error.to_string()))?;
        self.make_repository(&import).await?;
        let missing = import.missing(&self.gate.world().view(), &self.call);
        for (digest, size) in missing.map_err(|error| self.unusable(&error.to_string()))? {
            let blob = self.layer(&mut session, &digest, size).await?;
            let keep = |tx: &mut Tx<'_>| import.keep_layer(tx, &self.call, &blob);
            self.gate.world().write(keep).await.map_err(unwritten)?;
        }
        let parameters = json!({ "repositoryName": self.name, "imageIds": [self.image_id()] });
        let keep = |tx: &mut Tx<'_>| {
            import.keep(tx, &self.call)?;
            Ok(serde_json::Value::Null)
        };
        let kept = self.gate.change_on_record(&self.call, parameters, keep).await;
        kept.map(drop)
            .map_err(|error| Refusal::of_ecr(&error, Code::ManifestInvalid))
    }

    fn image_id(&self) -> serde_json::Value {
        match self.reference.contains(':') {
            true => json!({ "imageDigest": self.reference }),
            false => json!({ "imageTag": self.reference }),
        }
    }

    async fn make_repository(&self, import: &Import) -> Result<(), Refusal> {
        if !import.is_homeless(&self.gate.world().view(), &self.call) {
            return Ok(());
        }
        let call = Call {
            operation: "CreateRepository",
            ..self.call.clone()
        };
        let parameters = json!({ "repositoryName": self.name });
        let make = |tx: &mut Tx<'_>| {
            import.make_repository(tx, &self.call)?;
            Ok(serde_json::Value::Null)
        };
        let made = self.gate.change_on_record(&call, parameters, make).await;
        made.map(drop)
            .map_err(|error| Refusal::of_ecr(&error, Code::NameInvalid))
    }

    /// Streams a layer into the blob store. It is there only if its bytes are those of its digest.
    async fn layer(&self, session: &mut Session<'_>, digest: &Digest, size: u64) -> Result<Blob, Refusal> {
        let answer = session.blob(digest).await.map_err(|failed| match failed {
            Failed::Missing => self.unusable(&format!("it has no layer {digest}")),
            failed => self.failed(failed),
        })?;
        let blobs = self.gate.world().blobs();
        let owner = for_registry::upload_owner(&self.call.account, &self.call.region, &self.name);
        let upload = blobs
            .begin(&owner)
            .await
            .map_err(|error| Refusal::of_blobs(&error))?;
        let received = async {
            let writer = blobs.writer(&upload, 0).await;
            let writer = writer.map_err(|error| Refusal::of_blobs(&error))?;
            let announced = (size > 0).then_some(size);
            let received = receive::layer(answer.body, writer, announced, LAYER_BYTES_MAX).await;
            received.map_err(|refusal| match refusal.is_our_own() {
                true => refusal,
                false => self.unusable(&format!("the layer {digest} broke off or has another size")),
            })?;
            match blobs.finish(&upload, Some(*digest)).await {
                Err(BlobError::WrongDigest { .. }) => {
                    Err(self.unusable(&format!("the layer {digest} has another digest")))
                }
                finished => finished.map_err(|error| Refusal::of_blobs(&error)),
            }
        };
        let received = received.await;
        if received.is_err() {
            // What is left of it goes in a day otherwise.
            let _ = blobs.discard(&upload).await;
        }
        received
    }

    fn failed(&self, failed: Failed) -> Refusal {
        let (registry, name) = (&self.registry, &self.upstream_name);
        let (code, text) = match failed {
            Failed::Denied => (Code::Denied, "denied access to"),
            Failed::TooOften => (Code::TooManyRequests, "was asked too often; try again later for"),
            Failed::Missing | Failed::Unavailable => (Code::Unavailable, "is unavailable for"),
        };
        Refusal::new(
            code,
            format!("The upstream registry '{registry}' {text} '{name}'."),
        )
    }

    fn unusable(&self, why: &str) -> Refusal {
        let (registry, name) = (&self.registry, &self.upstream_name);
        let text = format!(
            "The upstream registry '{registry}' gave an image of '{name}' that cannot be kept: {why}."
        );
        Refusal::new(Code::Unavailable, text)
    }
}

fn unwritten(error: WriteError<ServiceError>) -> Refusal {
    match error {
        WriteError::Refused(error) => Refusal::of_ecr(&error, Code::ManifestInvalid),
        WriteError::Store(error) => {
            tracing::error!(%error, "a layer of an upstream registry could not be kept");
            Refusal::new(Code::Internal, "The image could not be kept.")
        }
    }
}
