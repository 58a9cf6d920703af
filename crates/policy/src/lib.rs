//! The IAM policy language: parse, validate, decide, explain. Pure: no I/O, no clock, no async.
//!
//! ```
//! use portcullis_policy::{Context, Document, Kind, Outcome, PolicySets, Principal, Request, Source, decide};
//!
//! let text = r#"{"Version": "2012-10-17", "Statement": [{
//!     "Sid": "RunWeb", "Effect": "Allow", "Action": "ecs:RunTask",
//!     "Resource": "arn:aws:ecs:us-east-1:123456789012:task-definition/web:*",
//!     "Condition": {"ArnEquals": {"ecs:cluster": "arn:aws:ecs:us-east-1:123456789012:cluster/default"}}}]}"#;
//! let document = Document::parse(text, Kind::Identity)?;
//! let attached = [Source { name: "run-web", arn: None, attached_to: None, document: &document }];
//! let sets = PolicySets { identity: &attached, ..PolicySets::default() };
//!
//! let principal = Principal::User {
//!     arn: "arn:aws:iam::123456789012:user/richard-roe".parse().unwrap(),
//!     id: "AIDACKCEVSQ6C2EXAMPLE".to_owned(),
//!     account: "123456789012".parse().unwrap(),
//! };
//! let mut context = Context::new();
//! context.insert("ecs:cluster", "arn:aws:ecs:us-east-1:123456789012:cluster/default");
//! let request = Request {
//!     principal: &principal,
//!     action: "ecs:RunTask",
//!     resource: "arn:aws:ecs:us-east-1:123456789012:task-definition/web:7",
//!     resource_account: None,
//!     context: &context,
//! };
//! let decision = decide(&request, &sets);
//! assert_eq!(decision.outcome, Outcome::Allow);
//! assert_eq!(decision.matched[0].statement.sid.as_deref(), Some("RunWeb"));
//! # Ok::<(), portcullis_policy::Malformed>(())
//! ```
//!
//! Rules are cited as R1-R182 of the policy-language specification; where AWS is silent, `open_points.rs` decides.

mod answers;
mod compiled;
mod context;
mod decide;
mod document;
pub mod elements;
mod every;
mod explain;
pub mod json;
mod known_actions;
mod matching;
mod message;
mod open_points;
mod request;
mod sets;
pub mod simulate;
mod span;
pub mod syntax;
#[cfg(feature = "terminal")]
pub mod terminal;
mod text;

pub use answers::Verdict;
pub use compiled::{Prepared, Program, Programs, authorize};
pub use context::{Context, Value};
pub use decide::{Decision, Matched, Outcome, decide};
pub use document::{
    Document, Effect, Kind, Malformed, PrincipalKind, PrincipalRef, Statement, Version, size_quota,
    size_without_whitespace,
};
pub use every::decide_for_every;
pub use explain::{
    AuthorizationDetails, Change, Check, CheckEffect, ConditionReport, Element, ElementReport,
    ExplainedPolicy, Explanation, Listed, Need, NewStatement, OfValues, Place, Refusal, Relation,
    StatementReport, explain,
};
pub use message::{access_denied_message, with_authorization_id, with_encoded_message};
pub use request::{Principal, Request};
pub use sets::{PolicySets, PolicyType, Source};
pub use span::{Position, Span};
