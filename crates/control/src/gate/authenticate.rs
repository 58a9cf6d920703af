//! Who are you? SigV4 to a [`Caller`].

use http::request::Parts;
use portcullis_core::{Partition, Region, Secret};
use portcullis_wire::Service;
use portcullis_wire::sigv4::{AuthError, Presented, SigningKey};

use super::caller::{Caller, Identity};
use super::error::ServiceError;
use super::keys::SigningKeys;
use super::session::Session;
use crate::world::records::iam::AccessKey;
use crate::world::{Snapshot, World};

/// The purpose under which secret access keys are sealed.
pub const SECRET_KEY_PURPOSE: &str = "iam-access-key";

/// Signs nothing: stands in for the secret of access keys that do not exist.
const NOBODYS_SECRET: &str = "0000000000000000000000000000000000000000";

/// An authenticated request: the caller and the region it was signed for.
#[derive(Debug)]
pub struct Authenticated {
    /// Who.
    pub caller: Caller,
    /// The region of the scope.
    pub region: Region,
}

/// What a signature is verified against.
#[derive(Clone, Copy)]
pub(super) struct Verifier<'a> {
    pub world: &'a World,
    pub view: &'a Snapshot,
    pub keys: &'a SigningKeys,
}

/// What is signed.
#[derive(Clone, Copy)]
pub(super) struct Signed<'a> {
    pub parts: &'a Parts,
    pub body: SignedBody<'a>,
}

/// What of the body is signed.
#[derive(Clone, Copy)]
pub(super) enum SignedBody<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// What the request says of it, by S3's rules.
    Claim(&'a str),
}

impl Signed<'_> {
    fn verify(self, presented: &Presented, key: &SigningKey) -> Result<(), AuthError> {
        match self.body {
            SignedBody::Whole(body) => presented.verify(key, self.parts, body),
            SignedBody::Claim(claim) => presented.verify_for_s3(key, self.parts, claim),
        }
    }
}

impl Verifier<'_> {
    /// Verifies a request's signature. The order of the checks is AWS's: form, key, signature, life time.
    pub fn authenticate(
        self,
        service: &'static Service,
        parts: &Parts,
        body: &[u8],
    ) -> Result<Authenticated, ServiceError> {
        self.verify(service, parts, body)
            .map_err(|error| error_of(service, &error))
    }

    /// Whether a request may be who it says, as far as its head tells, in the order and words of [`Self::authenticate`]: its
    /// form, its time, its service, that its key lives; and its signature, where the head says what the body is.
    pub fn check_claim(self, service: &'static Service, parts: &Parts) -> Result<(), ServiceError> {
        self.claim(service, parts)
            .map_err(|error| error_of(service, &error))
    }

    fn claim(self, service: &'static Service, parts: &Parts) -> Result<(), AuthError> {
        let presented = Presented::parse(parts)?;
        presented.check(service.signing_name, self.world.clock().now())?;
        let Some(claim) = parts.headers.get("x-amz-content-sha256") else {
            return self.living(&presented);
        };
        let claim = claim.to_str().map_err(|_| AuthError::Mismatch)?;
        let body = SignedBody::Claim(claim);
        self.verify_presented(&presented, Signed { parts, body })
            .map(drop)
    }

    fn living(self, presented: &Presented) -> Result<(), AuthError> {
        let region = served_region(presented)?;
        let Some(token) = &presented.session_token else {
            let key = self.view.access_keys.get(&presented.access_key_id);
            let key = key.filter(|key| key.active).ok_or(AuthError::UnknownKey)?;
            return self.identity(key).map(drop);
        };
        let session = Session::open(token.expose(), self.world.vault()).ok_or(AuthError::UnknownKey)?;
        if session.access_key_id != presented.access_key_id {
            return Err(AuthError::UnknownKey);
        }
        self.living_session(session, region.partition()).map(drop)
    }

    fn verify(
        self,
        service: &'static Service,
        parts: &Parts,
        body: &[u8],
    ) -> Result<Authenticated, AuthError> {
        let now = self.world.clock().now();
        let presented = Presented::parse(parts)?;
        presented.check(service.signing_name, now)?;
        let signed = Signed {
            parts,
            body: SignedBody::Whole(body),
        };
        self.verify_presented(&presented, signed)
    }

    /// Verifies a signature whose times and scope hold.
    pub(super) fn verify_presented(
        self,
        presented: &Presented,
        signed: Signed<'_>,
    ) -> Result<Authenticated, AuthError> {
        let region = served_region(presented)?;
        let caller = match &presented.session_token {
            None => self.long_term(presented, signed, region.partition())?,
            Some(token) => {
                let session =
                    Session::open(token.expose(), self.world.vault()).ok_or(AuthError::UnknownKey)?;
                self.temporary(presented, signed, region.partition(), session)?
            }
        };
        Ok(Authenticated { caller, region })
    }

    fn long_term(
        self,
        presented: &Presented,
        signed: Signed<'_>,
        partition: Partition,
    ) -> Result<Caller, AuthError> {
        let key = self
            .view
            .access_keys
            .get(&presented.access_key_id)
            .filter(|key| key.active);
        let Some(key) = key else {
            // As much work as for a known key, so that time does not tell which ids exist.
            let nobody = SigningKeys::derive(presented, &Secret::new(NOBODYS_SECRET));
            let _ = signed.verify(presented, &nobody);
            return Err(AuthError::UnknownKey);
        };
        self.signature(presented, signed, || self.secret(key))?;
        let identity = self.identity(key)?;
        let (account, access_key_id) = (self.view.account.clone(), key.id.clone());
        Ok(Caller {
            account,
            partition,
            identity,
            access_key_id,
            session: None,
        })
    }

    fn identity(self, key: &AccessKey) -> Result<Identity, AuthError> {
        let Some(name) = &key.user else {
            return Ok(Identity::Root);
        };
        let user = self.view.user(name).filter(|user| user.left.is_none());
        let user = user.ok_or(AuthError::UnknownKey)?;
        Ok(Identity::User {
            id: user.id.clone(),
            name: user.name.clone(),
            arn: user.arn.clone(),
        })
    }

    fn temporary(
        self,
        presented: &Presented,
        signed: Signed<'_>,
        partition: Partition,
        session: Session,
    ) -> Result<Caller, AuthError> {
        if session.access_key_id != presented.access_key_id {
            return Err(AuthError::UnknownKey);
        }
        self.signature(presented, signed, || Some(session.secret.clone()))?;
        self.living_session(session, partition)
    }

    fn living_session(self, session: Session, partition: Partition) -> Result<Caller, AuthError> {
        if session.is_expired(self.world.clock().now()) {
            return Err(AuthError::ExpiredToken);
        }
        session.caller(self.view, partition).ok_or(AuthError::UnknownKey)
    }

    fn signature(
        self,
        presented: &Presented,
        signed: Signed<'_>,
        secret: impl FnOnce() -> Option<Secret>,
    ) -> Result<(), AuthError> {
        if let Some(key) = self.keys.kept(presented) {
            return signed.verify(presented, &key);
        }
        let key = SigningKeys::derive(presented, &secret().ok_or(AuthError::UnknownKey)?);
        signed.verify(presented, &key)?;
        self.keys.keep(presented, key);
        Ok(())
    }

    fn secret(self, key: &AccessKey) -> Option<Secret> {
        let opened =
            self.world
                .vault()
                .open_text(SECRET_KEY_PURPOSE, key.id.as_bytes(), key.secret.ciphertext());
        opened
            .inspect_err(
                |error| tracing::error!(%error, key = key.id, "a secret access key cannot be opened"),
            )
            .ok()
    }
}

/// Any region of the partition; keys of one partition mean nothing in another.
fn served_region(presented: &Presented) -> Result<Region, AuthError> {
    let region = presented.scope.region.parse::<Region>().ok();
    region
        .filter(|region| region.partition() == Partition::Aws)
        .ok_or(AuthError::UnknownKey)
}

fn error_of(service: &'static Service, error: &AuthError) -> ServiceError {
    let protocol = service.protocol;
    ServiceError::new(error.code(protocol), error.status(protocol), error.to_string())
}
