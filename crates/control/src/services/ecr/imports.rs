//! Images that pull-through cache rules bring: which are wanted, who may have them brought, and the rows they become.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_blobs::{Blob, Digest};
use portcullis_core::{Region, Secret, Tags, Timestamp};
use serde::Deserialize;

use super::checks::{check, creation};
use super::errors::EcrError;
use super::manifests::{Manifest, NoManifest};
use super::mutability::is_immutable;
use super::names::Named;
use super::put_image::{layers_of, name_layer, take_tag};
use super::repositories;
use super::templates::{self, ROOT};
use super::upkeep::is_promised;
use crate::gate::call::Call;
use crate::gate::caller::Caller;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::Check;
use crate::services::secretsmanager::for_services::{Unread, current_text};
use crate::upstream::{Found, Login};
use crate::world::records::ecr::{Image, Layer, PullThroughRule};
use crate::world::{Snapshot, Tx};

/// What histories call the bringing of an image: the action it needs.
pub(super) const OPERATION: &str = "BatchImportUpstreamImage";
/// How old the answer of an upstream registry about a tag may be, in seconds: as ECR has it.
const FRESH_SECONDS: i64 = 24 * 3_600;
/// Who reads the secrets of rules.
const PRINCIPAL: &str = "pullthroughcache.ecr.amazonaws.com";

/// An image that an upstream registry is to be asked for.
#[derive(Debug)]
pub(super) struct Wanted {
    /// The rule that says so.
    pub rule: Arc<PullThroughRule>,
    /// What the repository is called there.
    pub upstream_name: String,
    /// Whether there is an image already that only has to be looked after.
    pub is_held: bool,
}

/// What a pull wants from an upstream registry; `None` if no rule is for it, or what is here will do.
pub(super) fn wanted(
    view: &Snapshot,
    region: &Region,
    name: &str,
    reference: &str,
    now: Timestamp,
) -> Option<Wanted> {
    let (rule, upstream_name) = rule_of(view, region, name)?;
    let digest = match reference.contains(':') {
        true => Some(reference),
        false => view.ecr.tagged(region, name, reference),
    };
    let held = digest.and_then(|digest| view.ecr.image(region, name, digest));
    if let Some(held) = held {
        // Digests never change, nor do tags that somebody pushed.
        let checked = held.checked.get(reference)?;
        if now.seconds_since(*checked) < FRESH_SECONDS {
            return None;
        }
    }
    Some(Wanted {
        rule: Arc::clone(rule),
        upstream_name,
        is_held: held.is_some(),
    })
}

/// The rule of the longest prefix of a name, and the name in its registry.
fn rule_of<'v>(
    view: &'v Snapshot,
    region: &Region,
    name: &str,
) -> Option<(&'v Arc<PullThroughRule>, String)> {
    let slashes = name.char_indices().rev().filter(|(_, letter)| *letter == '/');
    let parted = slashes.filter_map(|(at, _)| Some((name.get(..at)?, name.get(at + 1..)?)));
    let mut found = parted.chain([(ROOT, name)]).filter_map(|(prefix, rest)| {
        let rule = view
            .ecr
            .pull_through_rules
            .get(&PullThroughRule::key_of(region, prefix))?;
        Some((rule, rest))
    });
    let (rule, rest) = found.next()?;
    let upstream_name = match rule.upstream_prefix.as_deref() {
        None | Some(ROOT) => rest.to_owned(),
        Some(prefix) => format!("{prefix}/{rest}"),
    };
    Some((rule, upstream_name))
}

/// What whoever has an image brought must be allowed to do.
pub(super) fn checks(view: &Snapshot, call: &Call, name: &str) -> Vec<Check> {
    let named = Named::of(None, name);
    let mut checks = vec![check(view, call, "ecr:BatchImportUpstreamImage", named)];
    if named.find(view, call).is_none() {
        let template = templates::on_pull(view, &call.region, name);
        let untagged = Tags::new();
        let tags = template.map_or(&untagged, |template| &template.tags);
        checks.extend(creation(view, call, named, tags));
    }
    checks
}

/// What ECR's own secrets hold.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    username: String,
    access_token: String,
}

/// What is said of a rule for a registry that no operator named.
pub(super) fn unnamed(rule: &PullThroughRule) -> String {
    let (prefix, registry) = (&rule.prefix, &rule.upstream_url);
    format!(
        "The pull through cache rule '{prefix}' is for the upstream registry '{registry}', which this server was not told to ask: serve --upstream-registry {registry}=URL"
    )
}

/// The login that a rule's secret holds.
pub(super) fn login(
    view: &Snapshot,
    env: &Environment,
    call: &Call,
    rule: &PullThroughRule,
) -> Result<Option<Login>, EcrError> {
    let Some(arn) = &rule.credential_arn else {
        return Ok(None);
    };
    let by_ecr = Call {
        caller: Caller::service(PRINCIPAL, &call.account, call.region.partition()),
        ..call.clone()
    };
    let text = current_text(view, env, &by_ecr, arn).map_err(|unread| match unread {
        Unread::NoSecret => EcrError::NoSecret,
        Unread::Sealed => EcrError::SealedSecret,
    })?;
    let stored: Stored = serde_json::from_str(text.expose()).map_err(|_| EcrError::NoLogin)?;
    Ok(Some(Login {
        user: stored.username,
        password: Secret::new(stored.access_token),
    }))
}

/// An image on its way into a repository.
#[derive(Debug)]
pub(super) struct Import {
    repository: String,
    tag: Option<String>,
    text: String,
    manifest: Manifest,
    digest: String,
}

impl Import {
    /// Reads what came. `reference` is what it was asked for by.
    pub(super) fn read(repository: &str, reference: &str, found: Found) -> Result<Self, NoManifest> {
        let manifest = Manifest::parse(&found.manifest, found.media_type.as_deref())?;
        Ok(Self {
            repository: repository.to_owned(),
            tag: (!reference.contains(':')).then(|| reference.to_owned()),
            text: found.manifest,
            manifest,
            digest: found.digest.to_string(),
        })
    }

    fn named(&self) -> Named<'_> {
        Named::of(None, &self.repository)
    }

    /// Whether there is no repository for it yet.
    pub(super) fn is_homeless(&self, view: &Snapshot, call: &Call) -> bool {
        self.named().find(view, call).is_none()
    }

    /// Makes its repository: by a template, or plain.
    pub(super) fn make_repository(&self, tx: &mut Tx<'_>, call: &Call) -> Result<(), ServiceError> {
        let named = self.named();
        if named.find(tx.view(), call).is_some() {
            return Ok(());
        }
        let template = templates::on_pull(tx.view(), &call.region, named.name).cloned();
        let row = match template {
            Some(template) => templates::made_by(tx, call, named, &template)?,
            None => repositories::plain(&call.region, named.name, tx.now),
        };
        tx.put(row);
        Ok(())
    }

    /// Layers and configuration that the repository has not, with the sizes that the manifest says.
    pub(super) fn missing(&self, view: &Snapshot, call: &Call) -> Result<Vec<(Digest, u64)>, NoManifest> {
        let is_missing = |digest: &str| {
            let known = view.ecr.layer(&call.region, &self.repository, digest);
            known.is_none_or(|known| !is_promised(known, call.now))
        };
        let parts = self
            .manifest
            .layers
            .iter()
            .filter(|part| is_missing(&part.digest));
        let read = |digest: &str| {
            digest
                .parse()
                .map_err(|_| NoManifest::Form("a digest is not sha256"))
        };
        parts.map(|part| Ok((read(&part.digest)?, part.size))).collect()
    }

    /// Says that the repository has a layer.
    pub(super) fn keep_layer(&self, tx: &mut Tx<'_>, call: &Call, blob: &Blob) -> Result<(), ServiceError> {
        // It may have been removed meanwhile.
        self.named().found(tx.view(), call)?;
        let digest = blob.digest.to_string();
        let known = tx.view().ecr.layer(&call.region, &self.repository, &digest);
        if known.is_none_or(|known| known.unused_since.is_some()) {
            tx.put(Layer {
                region: call.region.clone(),
                repository: self.repository.clone(),
                digest,
                size: blob.size,
                media_type: None,
                unused_since: None,
            });
        }
        Ok(())
    }

    /// Says that the repository has the image, and that its tag is what the upstream registry says it is.
    pub(super) fn keep(&self, tx: &mut Tx<'_>, call: &Call) -> Result<(), ServiceError> {
        let named = self.named();
        let repository = Arc::clone(named.found(tx.view(), call)?);
        let known = tx.view().ecr.image(&call.region, named.name, &self.digest);
        let mut row = match known {
            Some(known) => Image::clone(known),
            None => self.row(tx, call)?,
        };
        let Some(tag) = &self.tag else {
            tx.put(row);
            return Ok(());
        };
        let holder = tx
            .view()
            .ecr
            .tagged(&call.region, named.name, tag)
            .map(str::to_owned);
        let other = holder.filter(|holder| *holder != self.digest);
        if let Some(other) = &other
            && is_immutable(&repository.mutability, tag)
        {
            // What may not move stays; it was looked after all the same.
            let held = tx.view().ecr.image(&call.region, named.name, other).cloned();
            if let Some(held) = held {
                let mut held = Image::clone(&held);
                held.checked.insert(tag.clone(), tx.now);
                tx.put(held);
            }
            return Ok(());
        }
        take_tag(tx, call, named, tag, other.as_deref());
        if !row.tags.contains(tag) {
            row.tags.push(tag.clone());
            row.tags.sort_unstable();
        }
        row.checked.insert(tag.clone(), tx.now);
        tx.put(row);
        Ok(())
    }

    /// A new row. The images that an index lists may come later, each when somebody asks for it.
    fn row(&self, tx: &mut Tx<'_>, call: &Call) -> Result<Image, EcrError> {
        let named = self.named();
        let layers = layers_of(tx.view(), call, named, &self.manifest.layers, &named.place(call))?;
        let listed = self.manifest.manifests.iter();
        let listed = listed.filter_map(|digest| tx.view().ecr.image(&call.region, named.name, digest));
        let largest = listed.map(|image| image.size).max().unwrap_or_default();
        let of_layers: u64 = layers.iter().map(|layer| layer.size).sum();
        for (layer, part) in layers.into_iter().zip(&self.manifest.layers) {
            name_layer(tx, layer, part);
        }
        Ok(Image {
            region: call.region.clone(),
            repository: self.repository.clone(),
            digest: self.digest.clone(),
            manifest: self.text.as_str().into(),
            media_type: self.manifest.media_type.to_owned(),
            artifact_type: self.manifest.artifact_type.clone(),
            size: of_layers.max(largest),
            pushed: tx.now,
            pulled: None,
            tags: Vec::new(),
            checked: BTreeMap::new(),
            layers: self
                .manifest
                .layers
                .iter()
                .map(|part| part.digest.clone())
                .collect(),
            manifests: self.manifest.manifests.clone(),
            subject: self.manifest.subject.clone(),
        })
    }
}
