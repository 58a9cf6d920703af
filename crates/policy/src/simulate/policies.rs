//! Policies that are held together with their names.

use crate::{Document, PolicySets, Source};

/// A policy and what to call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPolicy {
    /// The name; for a policy from a file, the file's.
    pub name: String,
    /// The policy.
    pub document: Document,
}

impl NamedPolicy {
    fn source(&self) -> Source<'_> {
        Source {
            name: &self.name,
            arn: None,
            attached_to: None,
            document: &self.document,
        }
    }
}

/// Every policy that bears on a request, owned: [`PolicySets`] for those who have no place of their own for them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policies {
    /// Identity-based policies.
    pub identity: Vec<NamedPolicy>,
    /// The permissions boundary.
    pub boundary: Option<NamedPolicy>,
    /// Session policies; `None` when the session was made without any (R121).
    pub session: Option<Vec<NamedPolicy>>,
    /// The resource's policy, or the trust policy of a role.
    pub resource: Option<NamedPolicy>,
    /// Service control policies, level by level.
    pub scps: Vec<Vec<NamedPolicy>>,
    /// Resource control policies, level by level.
    pub rcps: Vec<Vec<NamedPolicy>>,
    /// The policy of the VPC endpoint.
    pub endpoint: Option<NamedPolicy>,
}

impl Policies {
    /// Lends them as sets.
    pub fn with_sets<T>(&self, then: impl FnOnce(&PolicySets<'_>) -> T) -> T {
        let identity = sources(&self.identity);
        let session = self.session.as_deref().map(sources);
        let (scps, rcps) = (levels(&self.scps), levels(&self.rcps));
        let scps: Vec<&[Source<'_>]> = scps.iter().map(Vec::as_slice).collect();
        let rcps: Vec<&[Source<'_>]> = rcps.iter().map(Vec::as_slice).collect();
        then(&PolicySets {
            identity: &identity,
            boundary: self.boundary.as_ref().map(NamedPolicy::source),
            session: session.as_deref(),
            resource: self.resource.as_ref().map(NamedPolicy::source),
            scps: &scps,
            rcps: &rcps,
            endpoint: self.endpoint.as_ref().map(NamedPolicy::source),
        })
    }
}

fn sources(policies: &[NamedPolicy]) -> Vec<Source<'_>> {
    policies.iter().map(NamedPolicy::source).collect()
}

fn levels(levels: &[Vec<NamedPolicy>]) -> Vec<Vec<Source<'_>>> {
    levels.iter().map(|level| sources(level)).collect()
}
