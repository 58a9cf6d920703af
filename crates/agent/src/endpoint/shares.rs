//! How many connections each caller may hold: one container must not keep the others from their credentials.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

/// All callers together.
pub(super) const CONNECTIONS_MAX: usize = 1_024;

/// Connections that are open, by the caller's address.
#[derive(Debug)]
pub(super) struct Shares {
    /// For all that runs on the host's own network: processes, and tasks in host mode.
    of_host: usize,
    /// For one container, or one task with an interface of its own.
    of_container: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection's place; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    shares: Arc<Shares>,
    caller: IpAddr,
}

impl Default for Shares {
    fn default() -> Self {
        Self::new(CONNECTIONS_MAX / 2, 64)
    }
}

impl Shares {
    /// Nobody is connected yet.
    pub(super) fn new(of_host: usize, of_container: usize) -> Self {
        Self {
            of_host,
            of_container,
            open: Mutex::default(),
        }
    }

    /// A place for a connection from `caller` to `local`; none when the caller has its share.
    pub(super) fn take(self: &Arc<Self>, caller: SocketAddr, local: SocketAddr) -> Option<Place> {
        let (caller, local) = (caller.ip().to_canonical(), local.ip().to_canonical());
        // The host may call from any loopback address it likes.
        let (caller, share) = match caller == local || caller.is_loopback() {
            true => (local, self.of_host),
            false => (caller, self.of_container),
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(caller).or_default();
        if *count >= share {
            return None;
        }
        *count += 1;
        Some(Place {
            shares: Arc::clone(self),
            caller,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.shares.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_gets_its_share_and_no_more_until_it_gives_back() {
        let local = "169.254.170.2:80".parse().unwrap();
        let shares = Arc::new(Shares::new(3, 2));
        let take = |from: &str| shares.take(format!("{from}:1").parse().unwrap(), local);
        let first = take("172.17.0.2");
        let mut kept = vec![take("172.17.0.2"), take("172.17.0.3")];
        assert!(first.is_some() && kept.iter().all(Option::is_some));
        assert!(take("172.17.0.2").is_none());
        drop(first);
        kept.push(take("172.17.0.2"));
        assert!(kept.last().unwrap().is_some());
        let host = ["169.254.170.2", "127.0.0.1", "127.9.9.9"].map(take);
        assert!(host.iter().all(Option::is_some));
        assert!(take("127.0.0.3").is_none(), "the host is one caller");
        drop((host, kept));
        assert!(
            shares.open.lock().unwrap().is_empty(),
            "nothing is kept of who is gone"
        );
    }
}
