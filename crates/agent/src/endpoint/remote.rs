//! The other end of a connection: what is found out about it once, for all its requests.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use http::HeaderValue;

use super::limiter::{Bucket, Limiter};

/// Who is connected.
#[derive(Debug)]
pub(crate) struct Remote {
    pub(crate) address: SocketAddr,
    /// The address it connected to.
    pub(crate) local: SocketAddr,
    /// `ip:port`.
    text: String,
    header: HeaderValue,
    bucket: OnceLock<Arc<Bucket>>,
}

impl Remote {
    /// Of a connection from `address` to `local`.
    pub(crate) fn new(address: SocketAddr, local: SocketAddr) -> Self {
        // Written as the genuine agent writes it, also where the socket speaks both protocols.
        let text = SocketAddr::new(address.ip().to_canonical(), address.port()).to_string();
        let header = HeaderValue::try_from(&text).unwrap_or(HeaderValue::from_static(""));
        Self {
            address,
            local,
            text,
            header,
            bucket: OnceLock::new(),
        }
    }

    /// `ip:port`.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// `ip:port`, as a header says it.
    pub(crate) fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    /// Takes a token of this caller's bucket.
    pub(super) fn allowed(&self, limiter: &Limiter, now: Instant) -> bool {
        if let Some(bucket) = self.bucket.get() {
            return limiter.allow(bucket, now);
        }
        match limiter.bucket(self.address.ip().to_canonical(), now) {
            Some(bucket) => limiter.allow(self.bucket.get_or_init(|| bucket), now),
            None => false,
        }
    }
}
