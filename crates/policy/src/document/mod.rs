//! A policy document as data: what was written, where it stands, and what it means.

mod checks;
mod malformed;
mod parse;
pub(crate) mod resource_format;
mod size;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use malformed::Malformed;
pub use size::{size_quota, size_without_whitespace};

use crate::matching::action::ActionForm;
use crate::matching::glob::Glob;
use crate::matching::operator::Operator;
use crate::matching::resource::ResourceForm;
use crate::matching::variable::Template;
use crate::{Position, Span, text};

/// What a document is written for; it decides the grammar and the write-time checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// Attached to a user, group or role, inline or managed.
    Identity,
    /// A permissions boundary. A managed policy parsed as `Identity` serves as well.
    Boundary,
    /// The `Policy` parameter of AssumeRole* and GetFederationToken.
    Session,
    /// A role's trust policy (R13, R14, R24).
    Trust,
    /// The resource-based policy of any other service.
    Resource,
    /// A service control policy.
    ServiceControl,
    /// A resource control policy.
    ResourceControl,
    /// The policy of a VPC endpoint.
    Endpoint,
}

impl Kind {
    /// Whether its statements name principals (R14).
    pub(crate) fn names_principals(self) -> bool {
        matches!(
            self,
            Self::Trust | Self::Resource | Self::ResourceControl | Self::Endpoint
        )
    }
}

/// The version of the policy language (R4, R6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// `2008-10-17`, also when the document names none: policy variables are literal text.
    V2008,
    /// `2012-10-17`.
    V2012,
}

/// What a statement does with the requests it applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Effect {
    /// Grants, unless something denies.
    Allow,
    /// Denies, whatever else grants.
    Deny,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "Allow",
            Self::Deny => "Deny",
        })
    }
}

/// A policy document that passed every check of its kind. Its text is kept byte for byte (R28).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    text: String,
    kind: Kind,
    version: Version,
    id: Option<String>,
    statements: Vec<Statement>,
}

impl Document {
    /// Reads and checks a document the way IAM's write operations do; the first failure is reported (R17).
    /// Size quotas are the service's business: see [`size_without_whitespace`].
    ///
    /// ```
    /// use portcullis_policy::{Document, Kind};
    /// let refused = Document::parse(r#"{"Version": "2012-10-17", "Statement": []}"#, Kind::Identity);
    /// assert_eq!(refused.unwrap_err().to_string(), "Syntax errors in policy.");
    /// ```
    pub fn parse(text: &str, kind: Kind) -> Result<Self, Malformed> {
        let draft = parse::read(text, kind)?;
        checks::check(&draft, kind)?;
        Ok(Self {
            text: text.to_owned(),
            kind,
            version: draft.version.unwrap_or(Version::V2008),
            id: draft.id,
            statements: draft
                .statements
                .into_iter()
                .map(|draft| draft.statement)
                .collect(),
        })
    }

    /// The text as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it was parsed as.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The version of the language it is written in.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The `Id`, which has no effect (R7).
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The statements, in the order of the text.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// Line and column of a byte offset, as the policy simulator reports statements.
    pub fn position(&self, offset: usize) -> Position {
        Position::of(&self.text, offset)
    }

    /// Every condition key the document uses, in conditions and variables, each once and as first written.
    /// This is what GetContextKeysForCustomPolicy answers.
    pub fn context_keys(&self) -> Vec<&str> {
        let mut keys: Vec<&str> = Vec::new();
        for key in self.statements.iter().flat_map(Statement::context_keys) {
            if !keys.iter().any(|known| text::same(known, key)) {
                keys.push(key);
            }
        }
        keys
    }

    /// Every principal the document names in Principal or NotPrincipal, in the order of the text. IAM checks
    /// that those of a trust policy exist, and replaces entities by unique ids (R65).
    pub fn principals(&self) -> Vec<PrincipalRef<'_>> {
        let entries = self
            .statements
            .iter()
            .filter_map(|statement| statement.principal.as_ref());
        entries
            .flat_map(|element| &element.entries)
            .map(|entry| PrincipalRef {
                kind: entry.kind,
                value: &entry.value,
                span: entry.span,
            })
            .collect()
    }
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The statement id as written; may be empty (R11).
    pub sid: Option<String>,
    /// Allow or Deny.
    pub effect: Effect,
    /// Where the statement stands in the text, braces included.
    pub span: Span,
    /// Principal or NotPrincipal, in policies that name principals (R14).
    pub principal: Option<PrincipalElement>,
    /// Action or NotAction.
    pub action: ActionList,
    /// Resource or NotResource; trust policies have neither (R13).
    pub resource: Option<ResourceList>,
    /// The conditions, operator by operator and key by key; all of them must hold (R73).
    pub conditions: Vec<Condition>,
}

impl Statement {
    fn context_keys(&self) -> impl Iterator<Item = &str> {
        let in_resources = self
            .resource
            .iter()
            .flat_map(|list| &list.patterns)
            .flat_map(|p| p.form.keys());
        let in_conditions = self.conditions.iter().flat_map(|condition| {
            let in_values = condition.values.iter().flat_map(|value| value.template.keys());
            std::iter::once(condition.key.as_str()).chain(in_values)
        });
        in_resources.chain(in_conditions)
    }
}

/// Action or NotAction (R33-R38).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionList {
    /// Whether it is NotAction.
    pub negated: bool,
    /// The patterns, in the order of the text.
    pub patterns: Vec<ActionPattern>,
}

/// One action pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionPattern {
    /// As written.
    pub text: String,
    /// What it matches.
    pub form: ActionForm,
    /// Where its JSON string stands in the text, quotes included.
    pub span: Span,
}

/// Resource or NotResource (R39-R50).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceList {
    /// Whether it is NotResource.
    pub negated: bool,
    /// The patterns, in the order of the text.
    pub patterns: Vec<ResourcePattern>,
}

/// One resource pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourcePattern {
    /// As written.
    pub text: String,
    /// What it matches.
    pub form: ResourceForm,
    /// Where its JSON string stands in the text, quotes included.
    pub span: Span,
}

/// Principal or NotPrincipal (R61-R72).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrincipalElement {
    /// Whether it is NotPrincipal (R71).
    pub negated: bool,
    /// The principals it lists, in the order of the text.
    pub entries: Vec<PrincipalEntry>,
}

/// One named principal. The short form `"*"` is the AWS principal `*` (R62).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrincipalEntry {
    /// The key it stands under.
    pub kind: PrincipalKind,
    /// As written.
    pub value: String,
    /// Where its JSON string stands in the text, quotes included.
    pub span: Span,
}

/// The key a principal stands under (R61).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PrincipalKind {
    /// `AWS`: an account, user, role, session or unique id.
    Aws,
    /// `Service`: a service principal.
    Service,
    /// `Federated`: an identity provider.
    Federated,
    /// `CanonicalUser`: an S3 canonical user id; matches nobody here.
    CanonicalUser,
}

/// A principal a document names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrincipalRef<'a> {
    /// The key it stands under.
    pub kind: PrincipalKind,
    /// The value as written.
    pub value: &'a str,
    /// Where its JSON string stands in the text, quotes included.
    pub span: Span,
}

/// One key of one operator (R73).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The operator.
    pub operator: Operator,
    /// The condition key as written; compared without case (R75).
    pub key: String,
    /// Where the key's JSON string stands in the text, quotes included.
    pub key_span: Span,
    /// The values, in the order of the text; one of them is enough for a positive operator (R73).
    pub values: Vec<ConditionValue>,
}

/// One value a condition lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionValue {
    /// As written; numbers and booleans in their JSON spelling (R16).
    pub text: String,
    /// With its variables found, where the operator takes them (R52).
    pub template: Template,
    /// The pattern, for operators with wildcards, when no variable stands in it.
    pub glob: Option<Glob>,
    /// Where it stands in the text.
    pub span: Span,
}
