//! Who asks, of which registry, and the way to ECR's operations.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header;
use http::request::Parts;
use portcullis_blobs::{Blobs, Upload};
use portcullis_core::{AccountId, Region, uuid};
use portcullis_wire::Operation;
use serde_json::Value;

use super::errors::{Code, Refusal};
use super::path::{Registry, Wanted};
use crate::accounts::Accounts;
use crate::gate::authenticate::Authenticated;
use crate::gate::call::Call;
use crate::gate::caller::Caller;
use crate::gate::error::ServiceError;
use crate::gate::on_behalf::Behind;
use crate::gate::record::Outcome;
use crate::gate::{Gate, Peer};
use crate::services::ecr::for_registry;

/// Who a token says its user is.
const USER: &str = "AWS";

/// Where a request is worked on.
pub(super) struct Desk<'a> {
    gate: Arc<Gate>,
    caller: Caller,
    pub region: Region,
    pub parts: &'a Parts,
    peer: Peer,
    /// What paths of answers begin with.
    base: String,
}

/// A bearer, and the registry the token is for.
pub(super) struct Bearer {
    caller: Caller,
    registry: Registry,
}

impl Bearer {
    /// Whose token a request brings.
    pub fn of(accounts: &Accounts, parts: &Parts, peer: &Peer) -> Result<Self, Refusal> {
        let header = parts.headers.get(header::AUTHORIZATION);
        let header = header.and_then(|header| header.to_str().ok());
        let basic = header.and_then(|header| header.split_once(' '));
        let (_, pair) = basic
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
            .ok_or_else(|| Refusal::unauthorized(&realm(parts, peer)))?;
        let password = password(pair).ok_or_else(bad_token)?;
        let account = for_registry::account_of(&password).ok_or_else(bad_token)?;
        let doors = accounts.get(&account).ok_or_else(bad_token)?;
        let found = doors.gate.registry_caller(&password);
        let (caller, region) = found.map_err(|error| match error.status() {
            403 => Refusal::new(Code::Denied, error.message()),
            _ => bad_token(),
        })?;
        let registry = Registry { account, region };
        Ok(Self { caller, registry })
    }

    /// The account whose identity it is.
    pub fn account(&self) -> &AccountId {
        &self.caller.account
    }
}

impl<'a> Desk<'a> {
    /// The desk of the registry that is meant: the path's, the host's, or the one the token is for.
    pub fn new(
        accounts: &Accounts,
        bearer: Bearer,
        wanted: &Wanted,
        parts: &'a Parts,
        peer: Peer,
    ) -> Result<Self, Refusal> {
        let host = || host(parts).and_then(Registry::named);
        let registry = wanted.registry.clone().or_else(host).unwrap_or(bearer.registry);
        let doors = accounts.get(&registry.account).ok_or_else(|| {
            let text = format!("The registry with id '{}' does not exist", registry.account);
            Refusal::new(Code::NameUnknown, text)
        })?;
        Ok(Self {
            gate: Arc::clone(&doors.gate),
            caller: bearer.caller,
            region: registry.region,
            parts,
            peer,
            base: wanted.base.clone(),
        })
    }

    /// A path of an answer.
    pub fn path(&self, rest: std::fmt::Arguments<'_>) -> String {
        format!("{}{rest}", self.base)
    }

    /// The value of a parameter in the query.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let pairs = self.parts.uri.query().unwrap_or_default().split('&');
        let mut values = pairs.filter_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name));
        let (_, value) = values.next()?;
        // A `+` is one: media types have them, nothing here has blanks.
        let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
        Some(value.into_owned())
    }

    /// A header's text.
    pub fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.parts.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Makes a call of ECR as the token's caller.
    pub async fn call<O: Operation>(&self, input: &O::Input) -> Result<O::Output, ServiceError> {
        let behind = Behind {
            caller: &self.caller,
            parts: self.parts,
            peer: &self.peer,
            region: &self.region,
        };
        self.gate.call_for::<O>(behind, input).await
    }

    /// The gate of the registry's account.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// The bytes.
    pub fn blobs(&self) -> &Blobs {
        self.gate.world().blobs()
    }

    /// An upload of a repository.
    pub fn upload(&self, name: &str, id: &str) -> Upload {
        let account = self.gate.world().account();
        Upload::of(&for_registry::upload_owner(account, &self.region, name), id)
    }

    /// An upload has ended.
    pub fn forget(&self, upload: &Upload) {
        self.gate
            .world()
            .images()
            .forget_upload(&self.region, upload.id());
    }

    /// Decides what is asked for without an operation's whole input: a part of a layer that is still to come, a list that
    /// is read in another order than ECR's.
    pub async fn admit(
        &self,
        operation: &'static str,
        action: &'static str,
        repository: &str,
    ) -> Result<Call, Refusal> {
        let who = Authenticated {
            caller: self.caller.clone(),
            region: self.region.clone(),
        };
        let service = &portcullis_api::ecr::SERVICE;
        let request_id = uuid(self.gate.world().random().as_ref());
        let peer = self.peer.clone();
        let call = self
            .gate
            .call(who, service, operation, self.parts, peer, &request_id);
        let checks = for_registry::check(&self.gate.world().view(), &call, action, repository);
        let decided = match checks {
            Ok(checks) => self.gate.check(&call, &checks).await,
            Err(error) => Err(error),
        };
        decided.map_err(|error| Refusal::of_ecr(&error, Code::NameInvalid))?;
        Ok(call)
    }

    /// Writes down what came of it.
    pub async fn note(&self, call: &Call, writes: bool, parameters: Value) {
        let outcome = Outcome::Answered(&|| Value::Null);
        self.gate.record(call, writes, Some(parameters), &outcome).await;
    }
}

/// The password of a pair that base64 hides. The token of GetAuthorizationToken is the whole pair.
fn password(pair: &str) -> Option<String> {
    let pair = String::from_utf8(STANDARD.decode(pair.trim()).ok()?).ok()?;
    let (user, password) = pair.split_once(':')?;
    (user == USER).then(|| password.to_owned())
}

fn bad_token() -> Refusal {
    Refusal::new(Code::BadToken, "Your Authorization Token is invalid.")
}

fn host(parts: &Parts) -> Option<&str> {
    let host = parts.headers.get(header::HOST)?.to_str().ok()?;
    Some(host)
}

fn realm(parts: &Parts, peer: &Peer) -> String {
    let scheme = if peer.tls.is_some() { "https" } else { "http" };
    let host = host(parts).unwrap_or("ecr.amazonaws.com");
    let plain = |letter: char| letter.is_ascii_alphanumeric() || ".-:[]".contains(letter);
    let host: String = host.chars().filter(|letter| plain(*letter)).collect();
    format!("{scheme}://{host}/")
}
