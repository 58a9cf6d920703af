//! Asking "what if" without a server: callers by their ARN, policies that are held somewhere, requests as tools name
//! them. A gate fills the context from the call itself; here it is filled with what the caller and the clock give.
//!
//! ```
//! use portcullis_core::Timestamp;
//! use portcullis_policy::simulate::{NamedPolicy, Policies, Question, caller};
//! use portcullis_policy::{Context, Document, Kind, Outcome};
//!
//! let text = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ecs:Describe*", "Resource": "*"}}"#;
//! let policies = Policies {
//!     identity: vec![NamedPolicy { name: "look".to_owned(), document: Document::parse(text, Kind::Identity).unwrap() }],
//!     ..Policies::default()
//! };
//! let principal = caller("arn:aws:iam::123456789012:user/richard-roe").unwrap();
//! let question = Question { principal: &principal, action: "ecs:DescribeTasks", resource: "*", given: &Context::new() };
//! let explanation = question.explain(&policies, Timestamp::from_seconds(1_764_000_000));
//! assert_eq!(explanation.outcome, Outcome::Allow);
//! ```

mod caller;
mod policies;
mod question;
mod scenario;

pub use caller::{UnknownCaller, caller};
pub use policies::{NamedPolicy, Policies};
pub use question::{Question, actions, global_keys};
pub use scenario::{
    Case, CaseResult, ContextEntry, Expected, FileError, OneOrMany, Scalar, Scenario, ScenarioError, Subject,
};
