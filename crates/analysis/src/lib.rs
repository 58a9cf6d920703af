//! Compares IAM policies by meaning: what one allows and another does not, proved, or shown by a request.
//!
//! ```
//! use portcullis_analysis::{Answer, Options, compare, read};
//! use portcullis_policy::{Effect, Source};
//!
//! let policy = |resource: &str| {
//!     read(&format!(
//!         r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": "ecs:StopTask", "Resource": "{resource}"}}}}"#
//!     ))
//! };
//! let (old, new) = (policy("arn:aws:ecs:*:*:task/web/*")?, policy("arn:aws:ecs:*:*:task/*")?);
//! let named = |name, document| Source { name, arn: None, attached_to: None, document };
//! let (old, new) = ([named("old", &old)], [named("new", &new)]);
//!
//! let answer = compare(&old, &new, Options::default());
//! let request = answer.witness().unwrap();
//! assert_eq!(request.action, "ecs:StopTask");
//! assert_eq!(request.resource, "arn:aws:ecs:us-east-1:123456789012:task/example/example");
//! assert_eq!(compare(&new, &old, Options::default()), Answer::NoMore);
//! # Ok::<(), portcullis_policy::Malformed>(())
//! ```
//!
//! # How it decides
//!
//! "May B do anything that A may not?" asks for a request that an Allow statement of B applies to, no Deny of B does, and
//! that A does not allow. There is no solver behind it but these parts:
//!
//! * **Actions** of the service reference fall into classes that no statement tells apart (`actions.rs`).
//! * **Statements** become formulas over atoms: sets of resource patterns, and conditions (`problem.rs`).
//! * **The search** chooses which element of every other statement fails, and gives a choice up as soon as the resource or one
//!   key has no value left (`search.rs`).
//! * **Texts** - resources, strings, ARNs, truth values, bytes - are decided by walking the patterns' automata together, as far
//!   as they matter (`text/`).
//! * **Numbers, dates and addresses** are decided by trying one value for each that policies name and one for each gap between
//!   them (`keys/`).
//! * **Every request found is put to the policy engine** on both sides before it is an answer (`confirm.rs`).
//!
//! # Where it cannot tell
//!
//! * Policy variables: equal texts with variables are taken as equal, and a variable as "any text" where that is enough for a
//!   proof. Beyond that some values are tried; if none shows a difference, the answer is [`Cause::Variables`].
//! * One key compared both as text and as number, date or address ([`Cause::MixedValues`]), unless the values listed settle it.
//! * Patterns and combinations beyond the budget ([`Options::budget`]).
//!
//! Keys are taken as independent of one another and of the caller (`aws:username` beside `aws:PrincipalArn`), so that some
//! requests found cannot be made; resources, values and actions are those that can ([`Options`]).

mod access;
mod actions;
mod answer;
mod confirm;
mod domains;
mod effort;
mod keys;
mod kind;
mod principals;
mod problem;
mod public;
mod question;
mod resources;
mod rewrite;
mod search;
mod text;
mod twins;
mod unknown_actions;
mod variables;

pub use access::{Access, Wanted, access};
pub use answer::{Answer, Cause, Place, Witness};
pub use kind::read;
pub use public::public;
pub use question::Options;
pub use rewrite::{Expansion, Minimised, RewriteError, Step, expand, format, minimise};

use portcullis_policy::{Effect, Source};

use crate::domains::Assumptions;
use crate::question::{Callers, Question};

/// May the holder of `new` do anything that the holder of `old` may not? Policies that name principals are compared one with
/// one: may anybody do anything with the one that nobody may with the other?
pub fn compare(old: &[Source<'_>], new: &[Source<'_>], options: Options) -> Answer {
    difference(Effect::Allow, new, old, options).answer()
}

/// Does `old` deny anything explicitly that `new` does not? Beside other policies that matters even where neither allows it:
/// an explicit deny prevails over all of them (R114). The witness names the denying statements of `old`.
pub fn denied_no_more(old: &[Source<'_>], new: &[Source<'_>], options: Options) -> Answer {
    difference(Effect::Deny, old, new, options).answer()
}

/// What one side allows, or denies explicitly, and the other does not.
fn difference<'a>(
    effect: Effect,
    one: &'a [Source<'a>],
    other: &'a [Source<'a>],
    options: Options,
) -> Question<'a> {
    Question {
        effect,
        allowed_by: one,
        not_by: other,
        within: None,
        callers: Callers::All,
        assumptions: Assumptions {
            any_value: options.any_value,
            ..Assumptions::default()
        },
        options,
    }
}
