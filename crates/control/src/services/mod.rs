//! One folder per AWS service, one file per operation group. A service is its table of rows.

pub mod cloudtrail;
pub mod ecs;
pub mod iam;
pub mod sts;

use crate::gate::operations::Operations;

/// The operations this server has.
pub fn operations() -> Operations {
    [cloudtrail::table(), ecs::table(), iam::table(), sts::table()]
        .into_iter()
        .flatten()
        .collect()
}
