//! The service authorisation reference of AWS as a library: every service, action, resource type and condition key, with types,
//! access levels, dependent actions and risks. It costs nothing until it is asked: there is no parsing, no table in memory, no
//! allocation; a lookup by name reads a few bytes of generated data where they lie.
//!
//! ```
//! use portcullis_reference::{AccessLevel, KeyType, Reach, action, key_type, reach, service};
//!
//! let run_task = action("ECS:runtask").ok_or("no such action")?;
//! assert_eq!(run_task.to_string(), "ecs:RunTask");
//! assert!(run_task.has_access_level(AccessLevel::Write));
//!
//! // What can it be limited to?
//! let resource = run_task.resource_types().next().ok_or("no resource")?;
//! assert_eq!(resource.resource_type.name(), "task-definition");
//! assert!(resource.required);
//!
//! // Which condition keys can be present for it (R112)?
//! assert!(run_task.applies("ecs:cluster"));
//! assert!(run_task.applies("aws:ResourceTag/Department"));
//! assert!(!action("ecs:DeleteCluster").ok_or("no such action")?.applies("ecs:cluster"));
//!
//! // The same question split in two: the name once, the action as often as needed.
//! let cluster = reach("ecs:cluster");
//! assert!(matches!(cluster, Reach::Listed(_)));
//! assert!(run_task.reached_by(cluster));
//!
//! assert_eq!(key_type("ecs:capacity-provider"), Some(KeyType::ArrayOfArn));
//! assert_eq!(service("ecs").map(|ecs| ecs.actions().len()), Some(81));
//! # Ok::<(), &str>(())
//! ```
//!
//! Names are compared without ASCII case, as IAM does. An action that is not here is newer than the data (September 2026) or does
//! not exist; nothing can then be said about its keys and resources, and the caller must let all of them count.
//!
//! The data is made by `cargo xtask generate` from `models/authz-reference.json` and its neighbours.

mod action;
mod blob;
mod fold;
pub mod global;
mod key;
mod lookup;
mod open_points;
mod operation;
mod partition;
mod principal;
mod resource;
pub mod risk;
mod service;

pub use action::{AccessLevel, ActionId, ActionResource};
pub use key::{KeyId, KeyType, Reach, key, key_type, reach};
pub use operation::{Operation, operation_without_action, operations_without_action};
pub use partition::{Partition, partition, partitions};
pub use principal::{ServicePrincipal, service_linked_roles, service_principal, service_principals};
pub use resource::ResourceTypeId;
pub use service::{ServiceId, action, service, services};
