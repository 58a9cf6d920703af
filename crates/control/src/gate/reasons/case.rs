//! A refusal as it is kept: everything its decision saw, and nothing that follows from it. Why it was refused is worked out
//! when somebody asks, which hardly anybody does; a client who is refused all day costs little.

use std::borrow::Cow;

use portcullis_core::AccountId;
use portcullis_policy::{Context, Document, Kind, Principal, Request, Source};
use serde::{Deserialize, Serialize};

use super::details::{Kept, Whose};
use super::reason::{Facts, Reason};
use crate::gate::authorize::{self, Asker};
use crate::gate::call::Call;
use crate::gate::operation::Check;
use crate::gate::policies::Policies;
use crate::world::Snapshot;

/// What one refusal was decided from, without the caller's own policies.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Case {
    pub(super) whose: Whose,
    asked: Asked,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Asked {
    Rule {
        action: String,
        text: String,
    },
    Policies {
        principal: Principal,
        /// The keys that all checks share.
        context: Context,
        checks: Vec<AskedCheck>,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct AskedCheck {
    facts: Facts,
    resource: String,
    /// The account of the resource.
    account: AccountId,
    /// The keys of this check alone.
    context: Context,
    resource_policy: Option<Paper<'static>>,
}

/// The policies of a caller as they were. Refusals of one caller share them until they change.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Dossier<'a> {
    identity: Vec<Paper<'a>>,
    boundary: Option<Paper<'a>>,
    session: Option<Vec<Paper<'a>>>,
}

/// One policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Paper<'a> {
    name: Cow<'a, str>,
    arn: Option<Cow<'a, str>>,
    attached_to: Option<Cow<'a, str>>,
    kind: Kind,
    text: Cow<'a, str>,
}

impl Case {
    /// A call that policies refused.
    pub(super) fn of_policies(view: &Snapshot, call: &Call, checks: &[Check]) -> Self {
        let asker = Asker::of(view, call);
        let checks = checks.iter().map(|check| {
            let own = asker.own_question(check);
            AskedCheck {
                facts: Facts::of(call, check),
                resource: check.resource.clone(),
                account: own.account,
                context: own.context,
                resource_policy: authorize::resource_source(check).map(|source| Paper::of(&source).owned()),
            }
        });
        let checks = checks.collect();
        Self {
            whose: Whose::of(call),
            asked: Asked::Policies {
                principal: asker.principal,
                context: asker.context,
                checks,
            },
        }
    }

    /// A call that a rule beside the policies refused.
    pub(super) fn of_rule(call: &Call, action: &str, text: &str) -> Self {
        Self {
            whose: Whose::of(call),
            asked: Asked::Rule {
                action: action.to_owned(),
                text: text.to_owned(),
            },
        }
    }

    /// The refusal in words, decided again with the policies of then; `None` is one that could not be read.
    pub(super) fn explain(&self, dossier: Option<&Dossier<'_>>) -> Kept {
        Kept::of(&self.whose, self.reasons(dossier))
    }

    fn reasons(&self, dossier: Option<&Dossier<'_>>) -> Vec<Reason> {
        let (principal, shared, checks) = match &self.asked {
            Asked::Rule { action, text } => return vec![Reason::of_rule(action, text)],
            Asked::Policies {
                principal,
                context,
                checks,
            } => (principal, context, checks),
        };
        let documents = dossier.and_then(Dossier::parse);
        let policies = documents.as_ref().map(Documents::policies);
        let reasons = checks.iter().map(|check| {
            let explanation = policies.as_ref().and_then(|policies| {
                let paper = check.resource_policy.as_ref();
                let resource = match paper {
                    Some(paper) => Some((paper, paper.parse()?)),
                    None => None,
                };
                let source = resource.as_ref().map(|(paper, document)| paper.source(document));
                let mut context = shared.clone();
                for (key, value) in check.context.iter() {
                    context.insert(key, value.clone());
                }
                let request = Request {
                    principal,
                    action: &check.facts.action,
                    resource: &check.resource,
                    context: &context,
                    resource_account: Some(&check.account),
                };
                Some(portcullis_policy::explain(&request, &policies.sets(source)))
            });
            Reason::of(check.facts.clone(), explanation)
        });
        reasons.collect()
    }
}

impl<'a> Dossier<'a> {
    /// The policies of a caller; `None` when one cannot be read.
    pub(super) fn of(view: &'a Snapshot, call: &'a Call) -> Option<Self> {
        let policies = Policies::of(view, &call.caller).ok()?;
        let all = |sources: &[Source<'a>]| sources.iter().map(Paper::of).collect();
        Some(Self {
            identity: all(&policies.identity),
            boundary: policies.boundary.as_ref().map(Paper::of),
            session: policies.session.as_deref().map(all),
        })
    }

    fn parse(&self) -> Option<Documents<'_>> {
        Some(Documents {
            identity: parse_all(&self.identity)?,
            boundary: match &self.boundary {
                Some(paper) => Some((paper, paper.parse()?)),
                None => None,
            },
            session: match &self.session {
                Some(papers) => Some(parse_all(papers)?),
                None => None,
            },
        })
    }
}

fn parse_all<'p>(papers: &'p [Paper<'p>]) -> Option<Vec<Parsed<'p>>> {
    papers.iter().map(|paper| Some((paper, paper.parse()?))).collect()
}

type Parsed<'p> = (&'p Paper<'p>, Document);

/// A dossier that has been parsed.
struct Documents<'p> {
    identity: Vec<Parsed<'p>>,
    boundary: Option<Parsed<'p>>,
    session: Option<Vec<Parsed<'p>>>,
}

impl Documents<'_> {
    fn policies(&self) -> Policies<'_> {
        Policies {
            identity: self.identity.iter().map(source).collect(),
            boundary: self.boundary.as_ref().map(source),
            session: self.session.as_ref().map(|all| all.iter().map(source).collect()),
        }
    }
}

fn source<'s>((paper, document): &'s Parsed<'_>) -> Source<'s> {
    paper.source(document)
}

impl<'a> Paper<'a> {
    fn of(source: &Source<'a>) -> Self {
        Self {
            name: Cow::Borrowed(source.name),
            arn: source.arn.map(Cow::Borrowed),
            attached_to: source.attached_to.map(Cow::Borrowed),
            kind: source.document.kind(),
            text: Cow::Borrowed(source.document.text()),
        }
    }

    fn owned(self) -> Paper<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Paper {
            name: owned(self.name),
            arn: self.arn.map(owned),
            attached_to: self.attached_to.map(owned),
            kind: self.kind,
            text: owned(self.text),
        }
    }

    /// What parsed then parses now.
    fn parse(&self) -> Option<Document> {
        let parsed = Document::parse(&self.text, self.kind);
        parsed
            .inspect_err(
                |error| tracing::error!(policy = %self.name, %error, "a policy that was kept cannot be read"),
            )
            .ok()
    }

    fn source<'s>(&'s self, document: &'s Document) -> Source<'s> {
        Source {
            name: &self.name,
            arn: self.arn.as_deref(),
            attached_to: self.attached_to.as_deref(),
            document,
        }
    }
}
