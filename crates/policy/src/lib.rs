//! The IAM policy language: parse, validate, decide, compile, explain, simulate. Pure: no I/O, no clock, no async.
//!
//! # Decide
//! [`Document::parse`] reads a policy or says in IAM's words what is wrong with it; [`decide`] answers a [`Request`] from all
//! [`PolicySets`] that bear on it.
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
//! # Compile
//! What is asked often is compiled once: [`authorize`] answers as [`decide`] does, in a fraction of the time and without
//! allocating, however many statements there are.
//!
//! ```
//! # use portcullis_policy::{Context, Document, Kind, Principal, Request};
//! use portcullis_policy::{Prepared, Program, Programs, authorize};
//!
//! # let text = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ecs:Describe*", "Resource": "*"}}"#;
//! # let document = Document::parse(text, Kind::Identity)?;
//! # let principal = Principal::Root { account: "123456789012".parse().unwrap() };
//! # let context = Context::new();
//! # let request = Request { principal: &principal, action: "ecs:DescribeClusters",
//! #     resource: "arn:aws:ecs:us-east-1:123456789012:cluster/default", resource_account: None, context: &context };
//! let program = Program::compile([&document]);
//! let programs = Programs { identity: Some(&program), ..Programs::default() };
//! assert!(authorize(&Prepared::new(&request), &programs).is_allowed());
//! # Ok::<(), portcullis_policy::Malformed>(())
//! ```
//!
//! # Explain
//! [`explain`] tells what was compared with what and what would have to change; with the feature `terminal` as a page.
//!
//! ```
//! # use portcullis_policy::{Context, Document, Kind, PolicySets, Principal, Request, Source};
//! use portcullis_policy::explain;
//!
//! # let text = r#"{"Version": "2012-10-17", "Statement": {"Sid": "Look", "Effect": "Allow", "Action": "ecs:Describe*", "Resource": "*"}}"#;
//! # let document = Document::parse(text, Kind::Identity)?;
//! # let attached = [Source { name: "look", arn: None, attached_to: None, document: &document }];
//! # let sets = PolicySets { identity: &attached, ..PolicySets::default() };
//! # let principal = Principal::User { arn: "arn:aws:iam::123456789012:user/mia".parse().unwrap(),
//! #     id: "AIDACKCEVSQ6C2EXAMPLE".to_owned(), account: "123456789012".parse().unwrap() };
//! # let context = Context::new();
//! # let request = Request { principal: &principal, action: "ecs:RunTask",
//! #     resource: "arn:aws:ecs:us-east-1:123456789012:task-definition/web:7", resource_account: None, context: &context };
//! let explanation = explain(&request, &sets);
//! assert!(explanation.one_line().contains("ecs:RunTask"));
//! assert!(!explanation.remedy().is_empty());
//! # Ok::<(), portcullis_policy::Malformed>(())
//! ```
//!
//! # Simulate
//! [`simulate`] asks many requests at once, as the policy simulator does, from files or a scenario.
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
