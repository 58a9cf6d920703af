//! Which role the host's credentials are of: STS says it for any credentials. Kept in a file, so that a host that starts
//! while the control plane is away still finds its role.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use portcullis_api::sts;
use portcullis_core::Arn;

use crate::plane::{ControlPlane, InstanceCredentialsProvider, Signing};

const FILE: &str = "instance-role";
/// How soon other credentials are noticed.
const LOOK: Duration = Duration::from_secs(10);

/// A role's session: whose credentials the host has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostRole {
    /// The role's name, without its path.
    pub(super) name: String,
    /// The session's name; for instances EC2 or SSM made, the instance's id.
    pub(super) session: String,
}

impl HostRole {
    /// Of the caller's ARN; a user is no role.
    fn of(caller: &str) -> Option<Self> {
        let arn: Arn = caller.parse().ok()?;
        let (kind, rest) = arn.resource_parts()?;
        let (name, session) = rest.split_once('/')?;
        (kind == "assumed-role" && arn.service() == "sts").then(|| Self {
            name: name.to_owned(),
            session: session.to_owned(),
        })
    }
}

/// Knows the role.
#[derive(Debug)]
pub(super) struct RoleKeeper {
    plane: ControlPlane,
    credentials: Arc<InstanceCredentialsProvider>,
    file: PathBuf,
    role: RwLock<Option<HostRole>>,
}

impl RoleKeeper {
    /// With what an agent before this one found out.
    pub(super) fn new(
        plane: ControlPlane,
        credentials: Arc<InstanceCredentialsProvider>,
        state_dir: &Path,
    ) -> Self {
        let file = state_dir.join(FILE);
        let before = std::fs::read_to_string(&file).unwrap_or_default();
        Self {
            plane,
            credentials,
            file,
            role: RwLock::new(HostRole::of(before.trim())),
        }
    }

    /// The role, when it is known and there is one.
    pub(super) fn role(&self) -> Option<HostRole> {
        self.role.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks again whenever the credentials are others.
    pub(super) async fn keep(&self) -> Infallible {
        let mut asked_for = String::new();
        loop {
            let key = self.credentials.current().access_key_id;
            if key != asked_for && self.ask().await {
                asked_for = key;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn ask(&self) -> bool {
        let signing = Signing::InstanceFor("sts");
        let request = sts::GetCallerIdentityRequest::default();
        let caller = match self
            .plane
            .call_as::<sts::op::GetCallerIdentity>(signing, &request)
            .await
        {
            Ok(reply) => reply.arn.unwrap_or_default(),
            Err(error) => {
                tracing::warn!(%error, "the role of this host is not known yet");
                return false;
            }
        };
        let role = HostRole::of(&caller);
        if role.is_none() {
            tracing::warn!(
                caller,
                "the host's credentials are no role's: instance metadata shows none"
            );
        }
        if let Err(error) = std::fs::write(&self.file, &caller) {
            tracing::warn!(%error, "the host's role is not kept");
        }
        *self.role.write().unwrap_or_else(PoisonError::into_inner) = role;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sessions_of_roles_are_roles() {
        let role = HostRole::of("arn:aws:sts::123456789012:assumed-role/hosts/mi-1").unwrap();
        assert_eq!((role.name.as_str(), role.session.as_str()), ("hosts", "mi-1"));
        for other in [
            "",
            "arn:aws:iam::123456789012:user/mia",
            "arn:aws:iam::123456789012:root",
            "arn:aws:sts::123456789012:federated-user/mia",
        ] {
            assert_eq!(HostRole::of(other), None, "{other}");
        }
    }
}
