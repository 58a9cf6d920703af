//! Policies compiled for deciding: what [`decide`](crate::decide) says, without its reasons, in a fraction of the time.
//!
//! ```
//! use portcullis_policy::{Context, Document, Kind, Prepared, Principal, Program, Programs, Request, authorize};
//!
//! let text = r#"{"Version": "2012-10-17", "Statement": {
//!     "Effect": "Allow", "Action": "ecs:Describe*", "Resource": "*"}}"#;
//! let document = Document::parse(text, Kind::Identity)?;
//! // Once, when the policy is attached:
//! let program = Program::compile([&document]);
//!
//! let principal = Principal::User {
//!     arn: "arn:aws:iam::123456789012:user/richard-roe".parse().unwrap(),
//!     id: "AIDACKCEVSQ6C2EXAMPLE".to_owned(),
//!     account: "123456789012".parse().unwrap(),
//! };
//! let context = Context::new();
//! let request = Request {
//!     principal: &principal,
//!     action: "ecs:DescribeClusters",
//!     resource: "arn:aws:ecs:us-east-1:123456789012:cluster/default",
//!     resource_account: None,
//!     context: &context,
//! };
//! let programs = Programs { identity: Some(&program), ..Programs::default() };
//! assert!(authorize(&Prepared::new(&request), &programs).is_allowed());
//! # Ok::<(), portcullis_policy::Malformed>(())
//! ```

mod actions;
mod authorize;
mod block;
mod classify;
mod expand;
mod facts;
mod index;
mod pattern;
mod prepared;
mod program;
mod residual;
mod resource;
mod resources;
mod set;
mod tables;

pub use authorize::{Programs, authorize};
pub use prepared::Prepared;
pub use program::Program;
