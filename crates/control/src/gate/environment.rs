//! What operations that change nothing may use beside the picture.

use std::sync::Arc;

use portcullis_core::Random;
use portcullis_store::{Store, Vault};

use crate::world::MfaGuesses;

/// The seams of reads.
#[derive(Debug, Clone)]
pub struct Environment {
    /// For credentials.
    pub vault: Arc<Vault>,
    /// For keys and ids.
    pub random: Arc<dyn Random>,
    /// For what the picture does not hold: events.
    pub store: Arc<dyn Store>,
    /// Wrong MFA codes, to make guessing slow.
    pub guesses: Arc<MfaGuesses>,
}
