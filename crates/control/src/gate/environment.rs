//! What operations that change nothing may use beside the picture.

use std::sync::Arc;

use portcullis_blobs::Blobs;
use portcullis_core::Random;
use portcullis_logs::Logs;
use portcullis_store::{Store, Vault};

use super::reasons::Reasons;
use crate::exec::Desk;
use crate::services::logs::sealing::DataKeys;
use crate::services::ssm::parameters::PublicParameters;
use crate::upstream::Upstreams;
use crate::world::{ImageNotes, MfaGuesses, Uses};

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
    /// The bytes of images and objects.
    pub blobs: Arc<Blobs>,
    /// Pulls of images and parts of their layers, until they are written down.
    pub images: Arc<ImageNotes>,
    /// Log events.
    pub logs: Arc<Logs>,
    /// Data keys of log groups, in the clear for a while.
    pub(crate) log_keys: Arc<DataKeys>,
    /// The parameters that everybody may read.
    pub public_parameters: Arc<PublicParameters>,
    /// Which containers can be reached for Execute Command, and its sessions.
    pub(crate) exec: Arc<Desk>,
    /// Other registries that may be asked for images.
    pub(crate) upstreams: Arc<Upstreams>,
}
