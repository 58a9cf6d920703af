//! Derived signing keys, kept because deriving one costs four HMACs and opening a sealed secret. A kept key of a
//! deactivated access key does no harm: whether the access key may sign is looked up for every request.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use portcullis_core::Secret;
use portcullis_wire::sigv4::{Presented, Scope, SigningKey};

/// How many derived keys are kept; beyond that all are dropped and derived anew.
const CAPACITY: usize = 4_096;

/// The kept keys.
#[derive(Default)]
pub struct SigningKeys(RwLock<HashMap<(String, Scope), SigningKey>>);

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKeys(..)")
    }
}

impl SigningKeys {
    /// The key of a signature's access key and scope, if it is kept.
    pub fn kept(&self, presented: &Presented) -> Option<SigningKey> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&name_of(presented))
            .cloned()
    }

    /// Derives the key of a signature's scope.
    pub fn derive(presented: &Presented, secret: &Secret) -> SigningKey {
        let Scope {
            date,
            region,
            service,
        } = &presented.scope;
        SigningKey::derive(secret, date, region, service)
    }

    /// Keeps a key that has verified a signature; others could fill this with scopes nobody uses.
    pub fn keep(&self, presented: &Presented, key: SigningKey) {
        let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= CAPACITY {
            keys.clear();
        }
        keys.insert(name_of(presented), key);
    }
}

fn name_of(presented: &Presented) -> (String, Scope) {
    (presented.access_key_id.clone(), presented.scope.clone())
}
