//! The ways in which a caller ends while what it opened goes on.

use portcullis_api::{iam, sts};
use serde_json::json;

use crate::harness::{Client, Server, allow};
use crate::scim::provider::Provider;

/// How a caller ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    KeyInactive,
    KeyDeleted,
    /// What a key opened does not come back with it.
    KeyInactiveAndBack,
    PolicyDeleted,
    UserDeleted,
    Deactivated,
    SessionExpired,
}

pub const LEAVINGS: [Leaving; 7] = [
    Leaving::KeyInactive,
    Leaving::KeyDeleted,
    Leaving::KeyInactiveAndBack,
    Leaving::PolicyDeleted,
    Leaving::UserDeleted,
    Leaving::Deactivated,
    Leaving::SessionExpired,
];

const SESSION_SECONDS: i64 = 900;

/// A user who may do what `action` says and is about to end.
pub struct Leaver {
    pub client: Client,
    how: Leaving,
    name: String,
    id: String,
    access_key_id: String,
}

impl Leaver {
    pub async fn new(server: &Server, provider: &Provider, how: Leaving, action: &str) -> Self {
        let name = format!("leaver-{how:?}");
        let id = provider.user(&name).await;
        server.allow(&name, "p", &allow(action, "*")).await;
        let create = iam::CreateAccessKeyRequest {
            user_name: Some(name.clone()),
        };
        let key = server
            .root
            .ok::<iam::op::CreateAccessKey>(&create)
            .await
            .access_key;
        let mut client = server.root.with(&key.access_key_id, &key.secret_access_key, None);
        if how == Leaving::SessionExpired {
            let input = sts::GetSessionTokenRequest {
                duration_seconds: Some(SESSION_SECONDS.try_into().unwrap()),
                ..Default::default()
            };
            let made = client.ok::<sts::op::GetSessionToken>(&input).await.credentials;
            let made = made.unwrap();
            client = client.with(
                &made.access_key_id,
                &made.secret_access_key,
                Some(&made.session_token),
            );
        }
        Self {
            client,
            how,
            name,
            id,
            access_key_id: key.access_key_id,
        }
    }

    /// What ended holds for the next request; nobody tells the connections.
    pub async fn leave(&self, server: &Server, provider: &Provider) {
        let root = &server.root;
        match self.how {
            Leaving::KeyInactive => self.set_key(root, "Inactive").await,
            Leaving::KeyDeleted => self.delete_key(root).await,
            Leaving::KeyInactiveAndBack => {
                self.set_key(root, "Inactive").await;
                self.set_key(root, "Active").await;
            }
            Leaving::PolicyDeleted => self.delete_policy(root).await,
            Leaving::UserDeleted => {
                self.delete_key(root).await;
                self.delete_policy(root).await;
                let delete = iam::DeleteUserRequest {
                    user_name: self.name.clone(),
                };
                root.ok::<iam::op::DeleteUser>(&delete).await;
            }
            Leaving::Deactivated => {
                let path = format!("/Users/{}", self.id);
                let off = json!([{ "op": "replace", "path": "active", "value": false }]);
                provider.patch(&path, off).await.is(200);
            }
            Leaving::SessionExpired => server.clock.advance_seconds(SESSION_SECONDS),
        }
    }

    async fn set_key(&self, root: &Client, status: &str) {
        let update = iam::UpdateAccessKeyRequest {
            user_name: Some(self.name.clone()),
            access_key_id: self.access_key_id.clone(),
            status: status.to_owned(),
        };
        root.ok::<iam::op::UpdateAccessKey>(&update).await;
    }

    async fn delete_key(&self, root: &Client) {
        let delete = iam::DeleteAccessKeyRequest {
            user_name: Some(self.name.clone()),
            access_key_id: self.access_key_id.clone(),
        };
        root.ok::<iam::op::DeleteAccessKey>(&delete).await;
    }

    async fn delete_policy(&self, root: &Client) {
        let delete = iam::DeleteUserPolicyRequest {
            user_name: self.name.clone(),
            policy_name: "p".to_owned(),
        };
        root.ok::<iam::op::DeleteUserPolicy>(&delete).await;
    }
}
