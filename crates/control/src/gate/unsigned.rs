//! Who are you? The calls that carry no signature: a token of an identity provider says who calls (R126).

use std::sync::Arc;

use http::request::Parts;
use portcullis_api::ssm::op::RegisterManagedInstance;
use portcullis_api::sts::AssumeRoleWithWebIdentityRequest;
use portcullis_api::sts::op::AssumeRoleWithWebIdentity;
use portcullis_core::{AccountId, Arn, Region};
use portcullis_wire::Route;
use portcullis_wire::agent_proof::{PROOF_HEADER, Proof};

use super::Gate;
use super::assume::SSM;
use super::authenticate::Authenticated;
use super::caller::{Caller, Identity, WebIdentity};
use super::error::ServiceError;
use crate::federation::{Rejected, Unverified};
use crate::services::sts::StsError;
use crate::world::Snapshot;
use crate::world::records::federation::OidcProvider;

/// Whether callers of the operation sign nothing, whatever credentials they have.
pub(super) fn takes_no_signature(route: &Route<'_>) -> bool {
    let name = route.operation;
    match route.service.name {
        "sts" => matches!(name, "AssumeRoleWithSAML" | "AssumeRoleWithWebIdentity"),
        "ssm" => joins(name),
        _ => false,
    }
}

/// What machines call that have no credentials yet: they bring an activation's code, then a proof by their key.
fn joins(operation: &str) -> bool {
    matches!(
        operation,
        "RegisterManagedInstance" | "RequestManagedInstanceRoleToken"
    )
}

/// The activation that such a call names, or the managed instance.
pub(crate) fn joining(parts: &Parts, body: &[u8]) -> Option<Joining> {
    let route = portcullis_wire::route(portcullis_api::SERVICES, parts, body).ok()?;
    (route.service.name == "ssm" && joins(route.operation)).then(|| Joining::of(&route, parts))?
}

/// Who joins, as it says.
pub(crate) enum Joining {
    /// By an activation.
    Activation(String),
    /// A machine that has joined.
    Instance(String),
}

impl Joining {
    fn of(route: &Route<'_>, parts: &Parts) -> Option<Self> {
        if route.operation == "RegisterManagedInstance" {
            let input = portcullis_wire::decode_request::<RegisterManagedInstance>(route.payload).ok()?;
            return Some(Self::Activation(input.activation_id));
        }
        let proof = parts.headers.get(PROOF_HEADER)?.to_str().ok()?;
        let proof: Proof = proof.parse().ok()?;
        Some(Self::Instance(proof.holder))
    }

    /// The region of what it names, if it is there.
    pub fn region(&self, view: &Snapshot) -> Option<Region> {
        match self {
            Self::Activation(id) => view.ssm.activations.get(id).map(|row| row.region.clone()),
            Self::Instance(id) => view.ssm.managed_instances.get(id).map(|row| row.region.clone()),
        }
    }
}

/// The account of the role such a call asks for; `None` for other calls.
pub(crate) fn account_of(parts: &Parts, body: &[u8]) -> Option<AccountId> {
    let route = portcullis_wire::route(portcullis_api::SERVICES, parts, body).ok()?;
    if !takes_no_signature(&route) {
        return None;
    }
    let input = portcullis_wire::decode_request::<AssumeRoleWithWebIdentity>(route.payload).ok()?;
    role_arn(&input.role_arn).ok()?.account().parse().ok()
}

impl Gate {
    /// Verifies the token that takes the signature's place.
    pub(super) async fn by_token(
        &self,
        route: &Route<'_>,
        parts: &Parts,
    ) -> Result<Authenticated, ServiceError> {
        if route.service.name == "ssm" {
            return self.by_ssm(route, parts);
        }
        if route.operation != "AssumeRoleWithWebIdentity" {
            return Err(ServiceError::unsupported(route.service, route.operation));
        }
        let input = portcullis_wire::decode_request::<AssumeRoleWithWebIdentity>(route.payload)
            .map_err(|error| super::malformed(route.service, &error))?;
        let region = region_of(parts).ok_or_else(|| ServiceError::internal(route.service))?;
        let (account, identity) = self.vouched_for(&input).await?;
        let caller = Caller {
            account,
            partition: region.partition(),
            identity: Identity::WebIdentity(Arc::new(identity)),
            access_key_id: String::new(),
            session: None,
        };
        Ok(Authenticated { caller, region })
    }

    /// The service itself speaks for machines that have no credentials: what they bring is verified with the operation's
    /// permissions, where it is decided and on record.
    fn by_ssm(&self, route: &Route<'_>, parts: &Parts) -> Result<Authenticated, ServiceError> {
        let view = self.world().view();
        let known = Joining::of(route, parts).and_then(|joining| joining.region(&view));
        let region = known.or_else(|| region_of(parts));
        let region = region.ok_or_else(|| ServiceError::internal(route.service))?;
        let caller = Caller::service(SSM, &view.account, region.partition());
        Ok(Authenticated { caller, region })
    }

    /// The role's account says which providers count.
    async fn vouched_for(
        &self,
        input: &AssumeRoleWithWebIdentityRequest,
    ) -> Result<(AccountId, WebIdentity), StsError> {
        let role = role_arn(&input.role_arn)?;
        let account: AccountId = role.account().parse().map_err(|_| StsError::InvalidRequestArn)?;
        if input.provider_id.is_some() {
            // OAuth 2.0 access tokens of the few providers AWS knows by itself; none of them is asked here.
            return Err(Rejected::Malformed.into());
        }
        let token = Unverified::parse(&input.web_identity_token)?;
        let issuer = token.issuer().ok_or(Rejected::MissingClaim("iss"))?;
        let view = self.world.view();
        let provider =
            provider_of(&view, &role, issuer).ok_or_else(|| Rejected::UnknownIssuer(issuer.to_owned()))?;
        let now = self.world.clock().now();
        let claims = self.federation.verify(&provider, &token, now).await?;
        let identity = WebIdentity {
            provider: provider.arn.clone(),
            name: provider.name().to_owned(),
            issuer: issuer.to_owned(),
            claims,
        };
        Ok((account, identity))
    }
}

fn role_arn(text: &str) -> Result<Arn, StsError> {
    let arn: Option<Arn> = text.parse().ok();
    let is_role = |arn: &Arn| arn.service() == "iam" && arn.resource().starts_with("role/");
    arn.filter(is_role).ok_or(StsError::InvalidRequestArn)
}

/// The provider of the role's account whose issuer is exactly the token's.
fn provider_of(view: &Snapshot, role: &Arn, issuer: &str) -> Option<Arc<OidcProvider>> {
    if view.account.as_str() != role.account() {
        return None;
    }
    let (_, name) = issuer.split_once("://")?;
    let arn = format!(
        "arn:{}:iam::{}:oidc-provider/{name}",
        role.partition(),
        role.account()
    );
    let provider = view.oidc_providers.get(&arn)?;
    (provider.url == issuer).then(|| Arc::clone(provider))
}

/// Without a signature only the host's name can tell the region: `sts.eu-west-1.amazonaws.com`.
fn region_of(parts: &Parts) -> Option<Region> {
    let host = parts.headers.get("host").and_then(|host| host.to_str().ok());
    let host = host.or(parts.uri.host()).unwrap_or_default();
    let named = host.split('.').skip(1).find_map(|label| label.parse().ok());
    named.or_else(|| "us-east-1".parse().ok())
}
