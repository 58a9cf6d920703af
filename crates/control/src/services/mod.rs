//! One folder per AWS service, one file per operation group. A service is its table of rows.

pub mod cloudtrail;
pub mod ec2;
pub mod ecs;
pub mod iam;
pub mod organizations;
pub mod ssm;
pub mod sts;
pub mod toolbox;

use crate::gate::operations::Operations;

/// The operations this server has.
pub fn operations() -> Operations {
    [
        cloudtrail::table(),
        ec2::table(),
        ecs::table(),
        iam::table(),
        organizations::table(),
        ssm::table(),
        sts::table(),
        toolbox::table(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
