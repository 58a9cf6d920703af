//! What operations that change nothing may use beside the picture.

use std::sync::Arc;

use portcullis_core::Random;
use portcullis_store::{Store, Vault};

use super::reasons::Reasons;
use crate::exec::Desk;
use crate::world::{MfaGuesses, Uses};

/// The seams of reads.
#[derive(Debug, Clone)]
pub struct Environment {
    /// For credentials.
    pub vault: Arc<Vault>,
    /// For keys and ids.
    pub random: Arc<dyn Random>,
    /// For what the picture does not hold: events.
    pub store: Arc<dyn Store>,
    /// Why calls were refused.
    pub reasons: Arc<Reasons>,
    /// Wrong MFA codes, to make guessing slow.
    pub guesses: Arc<MfaGuesses>,
    /// Who used what since it was last written down.
    pub uses: Arc<Uses>,
    /// Which containers can be reached for Execute Command, and its sessions.
    pub(crate) exec: Arc<Desk>,
}
