//! Federation: tokens of identity providers, and the account's own.

mod federated_users;
mod outbound;
mod provider;
mod refused;
mod sessions;
mod tls;

use http::Request;
use portcullis_api::{iam, sts};
use portcullis_wire::Reply;
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, Client, Server};
use provider::Provider;

/// The audience every test's provider is registered with.
const AUDIENCE: &str = "sts.amazonaws.com";

/// A server, a provider it knows, and a role that trusts the provider's subject `repo:o/r`.
struct Scene {
    server: Server,
    provider: Provider,
    role: String,
}

impl Scene {
    async fn set() -> Self {
        let server = Server::start().await;
        let provider = Provider::start().await;
        register(&server, &provider).await;
        let role = role(&server, "web", &trust(&provider, &[])).await;
        Self {
            server,
            provider,
            role,
        }
    }

    /// The claims of a good token.
    fn claims(&self) -> Value {
        let now = self.server.root.now().as_seconds();
        json!({ "iss": self.provider.url, "aud": AUDIENCE, "sub": "repo:o/r", "iat": now, "exp": now + 600 })
    }

    fn request(&self, claims: &Value) -> sts::AssumeRoleWithWebIdentityRequest {
        self.bearing(&self.provider.token(claims))
    }

    fn bearing(&self, token: &str) -> sts::AssumeRoleWithWebIdentityRequest {
        sts::AssumeRoleWithWebIdentityRequest {
            role_arn: self.role.clone(),
            role_session_name: "run-7".to_owned(),
            web_identity_token: token.to_owned(),
            ..Default::default()
        }
    }

    /// A call without signature.
    async fn send(&self, input: &sts::AssumeRoleWithWebIdentityRequest) -> Reply {
        let request = portcullis_wire::encode_request::<sts::op::AssumeRoleWithWebIdentity>(input);
        let mut builder = Request::post("http://127.0.0.1:4566/");
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        let (parts, ()) = builder.body(()).unwrap().into_parts();
        let peer = self.server.root.peer.clone();
        self.server.accounts.serve(&parts, &request.body, peer).await
    }

    async fn ok(&self, claims: &Value) -> sts::AssumeRoleWithWebIdentityResponse {
        self.try_with(&self.request(claims)).await.unwrap()
    }

    /// A call that is refused: `CODE: text`.
    async fn err(&self, claims: &Value) -> String {
        self.try_with(&self.request(claims)).await.unwrap_err()
    }

    async fn try_with(
        &self,
        input: &sts::AssumeRoleWithWebIdentityRequest,
    ) -> Result<sts::AssumeRoleWithWebIdentityResponse, String> {
        let reply = self.send(input).await;
        let reply =
            portcullis_wire::decode_reply::<sts::op::AssumeRoleWithWebIdentity>(reply.status, &reply.body);
        reply.map_err(|error| error.to_string())
    }

    /// A client with the credentials of a reply.
    fn client(&self, credentials: Option<sts::Credentials>) -> Client {
        let c = credentials.unwrap();
        self.server
            .root
            .with(&c.access_key_id, &c.secret_access_key, Some(&c.session_token))
    }
}

/// Registers a provider; gives its ARN.
async fn register(server: &Server, provider: &Provider) -> String {
    let create = iam::CreateOpenIDConnectProviderRequest {
        url: provider.url.clone(),
        client_id_list: Some(vec![AUDIENCE.to_owned()]),
        ..Default::default()
    };
    let reply = server
        .root
        .ok::<iam::op::CreateOpenIDConnectProvider>(&create)
        .await;
    reply.open_id_connect_provider_arn.unwrap()
}

/// A trust policy for the provider's subject `repo:o/r`, with more actions.
fn trust(provider: &Provider, more: &[&str]) -> String {
    let name = provider.name();
    let actions: Vec<_> = ["sts:AssumeRoleWithWebIdentity"].iter().chain(more).collect();
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Federated": format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{name}") },
            "Action": actions,
            "Condition": { "StringEquals": { format!("{name}:aud"): AUDIENCE, format!("{name}:sub"): "repo:o/r" } },
        }]
    })
    .to_string()
}

/// A role with that trust policy that may list clusters.
async fn role(server: &Server, name: &str, trust: &str) -> String {
    let create = iam::CreateRoleRequest {
        role_name: name.to_owned(),
        assume_role_policy_document: trust.to_owned(),
        ..Default::default()
    };
    let role = server.root.ok::<iam::op::CreateRole>(&create).await.role;
    let put = iam::PutRolePolicyRequest {
        role_name: name.to_owned(),
        policy_name: "p".to_owned(),
        policy_document: crate::harness::allow("ecs:List*", "*"),
    };
    server.root.ok::<iam::op::PutRolePolicy>(&put).await;
    role.arn
}

/// An identity policy that allows these actions on everything.
fn allow_all(actions: &[&str]) -> String {
    serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": actions, "Resource": "*" }]
    })
    .to_string()
}
