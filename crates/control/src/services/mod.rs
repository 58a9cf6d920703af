//! One folder per AWS service, one file per operation group. A service is its table of rows.

pub mod cloudtrail;
pub mod ec2;
pub mod ecr;
pub mod ecs;
pub mod iam;
pub mod kms;
pub mod logs;
pub mod organizations;
pub(crate) mod pages;
pub(crate) mod resource_policies;
pub mod secretsmanager;
pub mod ssm;
pub mod sts;
pub(crate) mod tags;
pub mod toolbox;

use crate::gate::operations::Operations;

/// The operations this server has.
pub fn operations() -> Operations {
    [
        cloudtrail::table(),
        ec2::table(),
        ecr::table(),
        ecs::table(),
        iam::table(),
        kms::table(),
        logs::table(),
        organizations::table(),
        secretsmanager::table(),
        ssm::table(),
        sts::table(),
        toolbox::table(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
