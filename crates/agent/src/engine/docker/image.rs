//! Images: what a name means, when it is pulled, and how long that may take (agent.md 6 and 7).

use std::net::SocketAddr;

use bollard::auth::DockerCredentials;
use bollard::models::{DistributionInspect, ImageInspect};
use bollard::query_parameters::{CreateImageOptions, RemoveImageOptions, TagImageOptions};
use futures_util::StreamExt as _;

use super::super::{EngineError, ImageFacts, Pulled, Resolved};
use super::errors::{Stage, at, status};
use super::{DockerEngine, within};
use crate::PullBehavior;
use crate::supplies::{Access, ImageAccess, RegistryLogin, is_public};

const REASON_INACTIVE: &str =
    "CannotPullContainerError: inactivity time exceeded timeout while pulling image";

impl DockerEngine {
    /// Asks the registry what the image is, where it is to be pulled.
    pub(super) async fn resolve(
        &self,
        image: &str,
        access: &ImageAccess,
        pulled_before: bool,
    ) -> Result<Resolved, EngineError> {
        let cached = self.cached_image(image).await?;
        let behavior = self.images.behavior;
        if !asks_registry(behavior, cached.is_some(), pulled_before, image) {
            return Ok(Resolved { digest: None, cached });
        }
        if let Some((_, digest)) = image.split_once('@') {
            return Ok(Resolved {
                digest: Some(digest.to_owned()),
                cached: None,
            });
        }
        match self.ask(image, access).await {
            Ok(known) => Ok(Resolved {
                digest: known.descriptor.digest,
                cached: None,
            }),
            Err(error) if falls_back(behavior, &cached) => {
                tracing::warn!(image, %error, "the image cannot be asked for at its registry; the one on this host is used");
                Ok(Resolved { digest: None, cached })
            }
            Err(error) => Err(given_up(error)),
        }
    }

    async fn ask(&self, image: &str, access: &ImageAccess) -> Result<DistributionInspect, EngineError> {
        let access = access.get(image).await?;
        let name = through(access.door, &with_tag(image));
        let login = access.login.as_ref().map(credentials);
        let asked = within(self.images.manifest_timeout, "manifest_pulled", async {
            let known = self.docker.inspect_registry_image(&name, login).await;
            known.map_err(|error| at(Stage::PullManifest, &error))
        });
        asked.await.map_err(|error| named(error, &access))
    }

    /// Pulls the image, by its digest where that is known, and gives it its name.
    pub(super) async fn bring(
        &self,
        image: &str,
        access: &ImageAccess,
        digest: Option<&str>,
    ) -> Result<Pulled, EngineError> {
        let started = self.clock.now();
        let times = match self.fetch(image, access, digest).await {
            Ok(()) => Some((started, self.clock.now())),
            Err(error) => {
                let cached = self.cached_image(image).await?;
                if !falls_back(self.images.behavior, &cached) {
                    return Err(given_up(error));
                }
                tracing::warn!(image, %error, "the image cannot be pulled; the one on this host is used");
                None
            }
        };
        match self.cached_image(image).await? {
            Some(image) => Ok(Pulled { image, times }),
            None => Err(EngineError::Refused(format!(
                "CannotPullContainerError: the image {image} was pulled and is gone again"
            ))),
        }
    }

    async fn fetch(
        &self,
        image: &str,
        access: &ImageAccess,
        digest: Option<&str>,
    ) -> Result<(), EngineError> {
        let access = access.get(image).await?;
        let source = through(access.door, &exactly(image, digest));
        let name = with_tag(&local_name(image));
        let pulling = within(self.images.pull_timeout, "pulled", async {
            self.pull(&source, access.login.as_ref()).await?;
            if source != name && !has_digest(&name) {
                self.tag(&source, &name).await?;
            }
            if access.door.is_some() {
                // The way it came is no name of it.
                self.discard_image(&source).await?;
            }
            Ok(())
        });
        pulling.await.map_err(|error| named(error, &access))
    }

    /// True when the name is gone; an image in use keeps it.
    pub(super) async fn discard_image(&self, name: &str) -> Result<bool, EngineError> {
        match self
            .docker
            .remove_image(&local_name(name), None::<RemoveImageOptions>, None)
            .await
        {
            Ok(_) => Ok(true),
            Err(error) => match status(&error) {
                Some(404) => Ok(true),
                Some(409) => Ok(false),
                _ => Err(at(Stage::Remove, &error)),
            },
        }
    }

    async fn cached_image(&self, image: &str) -> Result<Option<ImageFacts>, EngineError> {
        match self.docker.inspect_image(&local_name(image)).await {
            Ok(found) => Ok(Some(facts(found))),
            Err(error) if status(&error) == Some(404) => Ok(None),
            Err(error) => Err(at(Stage::Pull, &error)),
        }
    }

    async fn pull(&self, image: &str, login: Option<&RegistryLogin>) -> Result<(), EngineError> {
        let options = CreateImageOptions {
            from_image: Some(image.to_owned()),
            ..CreateImageOptions::default()
        };
        let login = login.map(credentials);
        let mut progress = std::pin::pin!(self.docker.create_image(Some(options), None, login));
        loop {
            match tokio::time::timeout(self.images.inactivity_timeout, progress.next()).await {
                Ok(Some(step)) => drop(step.map_err(|error| at(Stage::Pull, &error))?),
                Ok(None) => return Ok(()),
                Err(_) => return Err(EngineError::Refused(REASON_INACTIVE.to_owned())),
            }
        }
    }

    async fn tag(&self, exactly: &str, name: &str) -> Result<(), EngineError> {
        let (repository, tag) = (repository(name), name.get(repository(name).len() + 1..));
        let options = TagImageOptions {
            repo: Some(repository.to_owned()),
            tag: tag.map(str::to_owned),
        };
        let tagged = self.docker.tag_image(exactly, Some(options)).await;
        tagged.map_err(|error| at(Stage::Pull, &error))
    }
}

/// A pull or question that timed out leaves nothing behind that would have to be stopped.
fn given_up(error: EngineError) -> EngineError {
    match error {
        EngineError::TimedOut(reason) => EngineError::Refused(reason),
        other => other,
    }
}

/// Whether a registry is asked at all. What is named by its digest cannot have changed.
fn asks_registry(behavior: PullBehavior, cached: bool, pulled_before: bool, image: &str) -> bool {
    match behavior {
        PullBehavior::Always => true,
        PullBehavior::Default => !(cached && has_digest(image)),
        PullBehavior::Once => !(cached && pulled_before),
        PullBehavior::PreferCached => !cached,
    }
}

/// Whether the image on the host will do when the registry does not deliver.
fn falls_back(behavior: PullBehavior, cached: &Option<ImageFacts>) -> bool {
    behavior != PullBehavior::Always && cached.is_some()
}

fn has_digest(image: &str) -> bool {
    image.contains('@')
}

/// What is to be pulled: by digest where that is known.
fn exactly(image: &str, digest: Option<&str>) -> String {
    let name = with_tag(image);
    match digest.filter(|_| !has_digest(image)) {
        Some(digest) => format!("{}@{digest}", repository(&name)),
        None => name,
    }
}

/// The image's name behind a door.
fn through(door: Option<SocketAddr>, name: &str) -> String {
    match door {
        Some(door) => format!("{door}/{name}"),
        None => name.to_owned(),
    }
}

/// What an image is called on this host. One of ECR, or of ECR Public, that is named by its digest has no such name here, for
/// it comes under another registry's: a tag says what it is.
pub(super) fn local_name(image: &str) -> String {
    match image.split_once('@') {
        Some((name, digest)) if is_ecr(name) || is_public(name) => {
            format!("{}:{}", repository(name), digest.replace(':', "-"))
        }
        _ => image.to_owned(),
    }
}

/// `ACCOUNT.dkr.ecr.REGION.amazonaws.com/...`.
fn is_ecr(image: &str) -> bool {
    image.split_once('/').is_some_and(|(registry, _)| {
        let in_ecr = registry.contains(".dkr.ecr.") || registry.contains(".dkr.ecr-fips.");
        in_ecr && registry.contains(".amazonaws.com")
    })
}

fn credentials(login: &RegistryLogin) -> DockerCredentials {
    DockerCredentials {
        username: Some(login.user.clone()),
        password: Some(login.password.expose().to_owned()),
        ..DockerCredentials::default()
    }
}

/// Reasons name the image as the task does.
fn named(error: EngineError, access: &Access) -> EngineError {
    let Some(door) = access.door else { return error };
    match error {
        EngineError::Refused(reason) => EngineError::Refused(reason.replace(&format!("{door}/"), "")),
        other => other,
    }
}

fn facts(image: ImageInspect) -> ImageFacts {
    let environment = image.config.and_then(|config| config.env).unwrap_or_default();
    let region = |pair: &String| pair.starts_with("AWS_REGION=") || pair.starts_with("AWS_DEFAULT_REGION=");
    ImageFacts {
        id: image.id,
        names_region: environment.iter().any(region),
    }
}

/// The tag Docker would take; without one it pulls them all.
fn with_tag(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    if last.contains([':', '@']) {
        image.to_owned()
    } else {
        format!("{image}:latest")
    }
}

/// A name without its tag.
fn repository(image: &str) -> &str {
    match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => image,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_repository_means_latest() {
        for (image, pulled, bare) in [
            ("busybox", "busybox:latest", "busybox"),
            (
                "registry:5000/app",
                "registry:5000/app:latest",
                "registry:5000/app",
            ),
            ("registry:5000/app:3", "registry:5000/app:3", "registry:5000/app"),
        ] {
            assert_eq!(with_tag(image), pulled);
            assert_eq!(repository(&with_tag(image)), bare);
        }
        assert_eq!(with_tag("app@sha256:00"), "app@sha256:00");
    }

    #[test]
    fn agent_7_pull_behaviour_says_when_a_registry_is_asked_and_when_the_hosts_image_will_do() {
        use PullBehavior::{Always, Default, Once, PreferCached};
        // (behaviour, cached, pulled before) -> asks, and falls back when the registry fails
        let cases = [
            (Default, true, true, true, true),
            (Default, false, false, true, false),
            (Always, true, true, true, false),
            (Once, true, true, false, true),
            (Once, true, false, true, true),
            (Once, false, true, true, false),
            (PreferCached, true, false, false, true),
            (PreferCached, false, true, true, false),
        ];
        for (behavior, cached, before, asks, back) in cases {
            let name = format!("{behavior:?} cached={cached} before={before}");
            assert_eq!(asks_registry(behavior, cached, before, "app:1"), asks, "{name}");
            let image = cached.then(ImageFacts::default);
            assert_eq!(falls_back(behavior, &image), back, "{name}");
        }
        assert!(!asks_registry(Default, true, false, "app@sha256:00"));
        assert!(asks_registry(Default, false, false, "app@sha256:00"));
    }

    #[test]
    fn images_of_ecr_come_through_the_door_and_have_their_own_names_here() {
        let ecr = "111122223333.dkr.ecr.us-west-2.amazonaws.com/team/app";
        let digest = format!("sha256:{}", "0".repeat(64));
        let door = Some("127.0.0.1:4000".parse().unwrap());
        let cases = [
            (
                format!("{ecr}:1"),
                Some(&*digest),
                format!("127.0.0.1:4000/{ecr}@{digest}"),
                format!("{ecr}:1"),
            ),
            (
                ecr.to_owned(),
                None,
                format!("127.0.0.1:4000/{ecr}:latest"),
                ecr.to_owned(),
            ),
            (
                format!("{ecr}@{digest}"),
                Some(&*digest),
                format!("127.0.0.1:4000/{ecr}@{digest}"),
                format!("{ecr}:{}", digest.replace(':', "-")),
            ),
        ];
        for (image, known, source, local) in cases {
            assert_eq!(through(door, &exactly(&image, known)), source);
            assert_eq!(local_name(&image), local);
        }
        let public = format!("public.ecr.aws/team/app@{digest}");
        let tag = digest.replace(':', "-");
        assert_eq!(local_name(&public), format!("public.ecr.aws/team/app:{tag}"));
        let elsewhere = format!("registry.example.com/app@{digest}");
        assert_eq!(local_name(&elsewhere), elsewhere);
        let access = Access { login: None, door };
        let refused = EngineError::Refused(format!("X: manifest for 127.0.0.1:4000/{ecr}:1 not found"));
        assert_eq!(
            named(refused, &access).to_string(),
            format!("X: manifest for {ecr}:1 not found")
        );
    }

    #[test]
    fn agent_1_1_an_image_may_name_its_region() {
        for (pair, names) in [
            ("AWS_REGION=x", true),
            ("AWS_DEFAULT_REGION=", true),
            ("AWS_REGIONS=x", false),
        ] {
            let image: ImageInspect =
                serde_json::from_value(serde_json::json!({"Id": "sha256:1", "Config": {"Env": [pair]}}))
                    .unwrap();
            assert_eq!(facts(image).names_region, names, "{pair}");
        }
    }
}
