//! Bodies that are read whole, and what they may weigh: little for everybody; more only for operations that carry data, at
//! their own path, for requests that claim a living key; and all large ones together no more than the server has room for.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body, Bytes};
use portcullis_wire::Service;
use portcullis_wire::limits::Limits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::gate::Gate;
use crate::gate::error::ServiceError;
use crate::gate::throttle;

/// How long a client may take to send its body, and wait for room before it.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);
/// What all large bodies may weigh together, in bytes.
const TOTAL_MAX: usize = 256 * 1024 * 1024;
/// A body up to here is read for anybody.
const COMMON: usize = Limits::COMMON.body_bytes;

/// The room for bodies.
#[derive(Debug)]
pub(crate) struct Bodies {
    room: Arc<Semaphore>,
    timeout: Duration,
}

/// A body that was read, and the room it takes.
#[derive(Debug)]
pub(crate) struct Whole {
    pub bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

/// Why a body is not taken.
#[derive(Debug)]
pub(crate) enum NotTaken {
    /// What its head says is refused by the service that it names.
    Refused(&'static Service, ServiceError),
    /// It is larger than it may be.
    TooLarge,
    /// It broke off.
    Broken,
    /// It took too long.
    Late,
}

impl NotTaken {
    /// The status and text outside any AWS protocol.
    pub fn plain(&self) -> (u16, &'static str) {
        match self {
            Self::TooLarge => (413, "Request Entity Too Large"),
            Self::Late => (408, "Request Timeout"),
            Self::Broken | Self::Refused(..) => (400, "Bad Request"),
        }
    }
}

impl Default for Bodies {
    fn default() -> Self {
        Self::with(TOTAL_MAX, TIMEOUT)
    }
}

impl Bodies {
    fn with(total: usize, timeout: Duration) -> Self {
        Self {
            room: Arc::new(Semaphore::new(total)),
            timeout,
        }
    }

    /// Reads the body of a request to `gate`.
    pub async fn read<B>(&self, gate: &Gate, parts: &Parts, body: B) -> Result<Whole, NotTaken>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let announced = body
            .size_hint()
            .upper()
            .map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        let large = large(parts).filter(|_| announced.is_none_or(|length| length > COMMON));
        let Some((service, limit)) = large else {
            return self.collect(body, COMMON, None).await;
        };
        let admitted = match gate.check_claim(service, parts) {
            Ok(()) => self.room_for(announced.unwrap_or(limit).min(limit)).await,
            Err(error) => Err(error),
        };
        match admitted {
            Ok(room) => self.collect(body, limit, Some(room)).await,
            Err(error) => {
                self.discard(body, limit);
                Err(NotTaken::Refused(service, error))
            }
        }
    }

    async fn room_for(&self, bytes: usize) -> Result<OwnedSemaphorePermit, ServiceError> {
        let bytes = u32::try_from(bytes).map_err(|_| throttle::rate_exceeded())?;
        let room = Arc::clone(&self.room).acquire_many_owned(bytes);
        let waited = tokio::time::timeout(self.timeout, room).await;
        waited
            .ok()
            .and_then(Result::ok)
            .ok_or_else(throttle::rate_exceeded)
    }

    async fn collect<B>(
        &self,
        body: B,
        limit: usize,
        room: Option<OwnedSemaphorePermit>,
    ) -> Result<Whole, NotTaken>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        match tokio::time::timeout(self.timeout, Limited::new(body, limit).collect()).await {
            Ok(Ok(body)) => Ok(Whole {
                bytes: body.to_bytes(),
                _room: room,
            }),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(NotTaken::TooLarge),
            Ok(Err(_)) => Err(NotTaken::Broken),
            Err(_) => Err(NotTaken::Late),
        }
    }

    /// Clients read the answer when they have sent all: what is refused is let pass and not kept, so that they see why.
    fn discard<B>(&self, body: B, limit: usize)
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut body = Limited::new(body, limit);
        let passing = async move { while let Some(Ok(_)) = body.frame().await {} };
        drop(tokio::spawn(tokio::time::timeout(self.timeout, passing)));
    }
}

/// The service of a request that may have a large body, and how large. AWS's services have one path.
fn large(parts: &Parts) -> Option<(&'static Service, usize)> {
    let target = parts.headers.get("x-amz-target")?.to_str().ok()?;
    let limit = Limits::of(target).body_bytes;
    if limit <= COMMON || parts.uri.path() != "/" {
        return None;
    }
    let route = portcullis_wire::route(portcullis_api::SERVICES, parts, &[]).ok()?;
    Some((route.service, limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn large_bodies_have_so_much_room_together_and_who_finds_none_is_told_to_come_again() {
        let bodies = Bodies::with(10, Duration::from_millis(5));
        let first = bodies.room_for(6).await.unwrap();
        let none = bodies.room_for(5).await.unwrap_err();
        assert_eq!(none, throttle::rate_exceeded());
        let second = bodies.room_for(4).await.unwrap();
        drop(first);
        assert!(bodies.room_for(6).await.is_ok());
        drop(second);
    }
}
