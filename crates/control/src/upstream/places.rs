//! Places on this server that all accounts share, none of them more than its part.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use portcullis_core::AccountId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many places, so many of them at most for one account.
#[derive(Debug)]
pub(crate) struct Places {
    all: Arc<Semaphore>,
    shares: Mutex<HashMap<AccountId, Weak<Semaphore>>>,
    share_max: usize,
}

/// One of them, free again when this is gone.
#[derive(Debug)]
pub(crate) struct Place {
    _one: OwnedSemaphorePermit,
    _of_share: OwnedSemaphorePermit,
}

impl Places {
    pub fn new(max: usize, share_max: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(max)),
            shares: Mutex::default(),
            share_max,
        }
    }

    /// A place for an account, if one is free and the account's share has one.
    pub fn take(&self, account: &AccountId) -> Option<Place> {
        Some(Place {
            _of_share: self.share(account).try_acquire_owned().ok()?,
            _one: Arc::clone(&self.all).try_acquire_owned().ok()?,
        })
    }

    /// Shares are kept while somebody has a place of theirs.
    fn share(&self, account: &AccountId) -> Arc<Semaphore> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        shares.retain(|_, share| share.strong_count() > 0);
        if let Some(share) = shares.get(account).and_then(Weak::upgrade) {
            return share;
        }
        let share = Arc::new(Semaphore::new(self.share_max));
        shares.insert(account.clone(), Arc::downgrade(&share));
        share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_account_has_more_than_its_share_and_all_have_no_more_than_there_are() {
        let account = |text: &str| text.parse::<AccountId>().unwrap();
        let (one, other, third) = (
            account("111111111111"),
            account("222222222222"),
            account("333333333333"),
        );
        let places = Places::new(3, 2);
        let first = places.take(&one).unwrap();
        let _second = places.take(&one).unwrap();
        assert!(places.take(&one).is_none(), "its share is used up");
        let _others = places.take(&other).unwrap();
        assert!(places.take(&third).is_none(), "none is left");
        drop(first);
        let _thirds = places.take(&third).unwrap();
        assert!(places.take(&one).is_none(), "none is left");
    }
}
