//! Options of the host's own instance metadata service.

use clap::Args;
use portcullis_agent::InstanceMetadata;

/// `--instance-metadata` and what it may be told.
#[derive(Debug, Args)]
pub(super) struct InstanceMetadataOptions {
    /// Serve instance metadata to this host's programs at 169.254.169.254 and fd00:ec2::254
    #[arg(long)]
    instance_metadata: bool,
    /// How many hops its answers live
    #[arg(long, requires = "instance_metadata", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    instance_metadata_hop_limit: u8,
    /// Answer requests without a token, too
    #[arg(long, requires = "instance_metadata")]
    instance_metadata_v1: bool,
    /// Show the container instance's tags in it
    #[arg(long, requires = "instance_metadata")]
    instance_metadata_tags: bool,
    /// The instance type it says
    #[arg(long, requires = "instance_metadata")]
    instance_type: Option<String>,
    /// The image id it says
    #[arg(long, requires = "instance_metadata")]
    image_id: Option<String>,
}

impl InstanceMetadataOptions {
    /// What the agent is told.
    pub(super) fn settings(self) -> Option<InstanceMetadata> {
        self.instance_metadata.then_some(InstanceMetadata {
            allow_v1: self.instance_metadata_v1,
            hop_limit: self.instance_metadata_hop_limit,
            show_tags: self.instance_metadata_tags,
            instance_type: self.instance_type,
            image_id: self.image_id,
        })
    }
}
