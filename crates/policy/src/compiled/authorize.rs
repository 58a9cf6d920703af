//! The decision over compiled sets (R113-R139).

use crate::PolicyType;
use crate::answers::{Answers, SetAnswer, Verdict};
use crate::compiled::block::Place;
use crate::compiled::{Prepared, Program};

/// Every compiled policy that bears on one request. `Programs::default()` is "none at all". Each member is what the
/// member of the same name of [`PolicySets`](crate::PolicySets) is, compiled.
#[derive(Debug, Clone, Copy, Default)]
pub struct Programs<'a> {
    /// The policies of the user and of its groups, or of the role (R119, R135).
    pub identity: Option<&'a Program>,
    /// The permissions boundary (R120).
    pub boundary: Option<&'a Program>,
    /// The session policies, any of which may allow: `None` when the session was made without any (R121).
    pub session: Option<&'a [&'a Program]>,
    /// The resource's own policy; for AssumeRole* the role's trust policy (R118, R124).
    pub resource: Option<&'a Program>,
    /// SCPs of the principal's account, one program per level (R117).
    pub scps: &'a [&'a Program],
    /// RCPs of the resource's account, one program per level (R116).
    pub rcps: &'a [&'a Program],
    /// The policy of the VPC endpoint the call came through (R136).
    pub endpoint: Option<&'a Program>,
}

/// Decides a request: always what [`decide`](crate::decide) decides. Allocates nothing, takes no lock, cannot fail.
pub fn authorize(prepared: &Prepared<'_>, programs: &Programs<'_>) -> Verdict {
    let mut answers = Answers::none(&prepared.request, prepared.is_cross_account);
    let has_boundary = programs.boundary.is_some() && prepared.bearing.identity;
    let asking = Asking {
        prepared,
        has_boundary,
    };
    match asking.ask_all(programs, &mut answers) {
        Ok(()) => answers.verdict_without_deny(),
        Err(Denied(by)) => Verdict::denied_by(by),
    }
}

/// A set of this type denies: nothing else matters (R115).
struct Denied(PolicyType);

/// What all sets are asked.
struct Asking<'l> {
    prepared: &'l Prepared<'l>,
    has_boundary: bool,
}

impl Asking<'_> {
    /// Asks the sets that bear on the request, in the order in which they are named (R172).
    fn ask_all(&self, programs: &Programs<'_>, answers: &mut Answers<'_>) -> Result<(), Denied> {
        let bearing = self.prepared.bearing;
        if bearing.scps {
            answers.scps = self.levels(programs.scps, PolicyType::ServiceControl)?;
        }
        if bearing.rcps {
            answers.rcps = self.levels(programs.rcps, PolicyType::ResourceControl)?;
        }
        if let Some(endpoint) = programs.endpoint {
            answers.endpoint = Some(self.one(endpoint, PolicyType::Endpoint)?);
        }
        if let Some(resource) = programs.resource {
            answers.resource_is_role = resource.is_trust_policy();
            let of_role = answers.resource_is_role;
            let policy_type = if of_role {
                PolicyType::RoleTrust
            } else {
                PolicyType::Resource
            };
            answers.resource = Some(self.one(resource, policy_type)?);
        }
        if let Some(boundary) = programs.boundary.filter(|_| bearing.identity) {
            answers.boundary = Some(self.one(boundary, PolicyType::Boundary)?);
        }
        if let Some(session) = programs.session.filter(|_| bearing.session) {
            answers.session = Some(self.any(session, PolicyType::Session)?);
        }
        if bearing.identity {
            answers.identity = Some(match programs.identity {
                Some(identity) => self.one(identity, PolicyType::Identity)?,
                None => SetAnswer::SILENT,
            });
        }
        Ok(())
    }

    fn one(&self, program: &Program, policy_type: PolicyType) -> Result<SetAnswer, Denied> {
        let place = Place {
            names_principals: policy_type.names_principals(),
            has_boundary: self.has_boundary,
        };
        let answer = program.answer(self.prepared, place);
        if answer.denies {
            Err(Denied(policy_type))
        } else {
            Ok(answer)
        }
    }

    fn any(&self, programs: &[&Program], policy_type: PolicyType) -> Result<SetAnswer, Denied> {
        programs.iter().try_fold(SetAnswer::SILENT, |others, program| {
            Ok(others.or_also(self.one(program, policy_type)?))
        })
    }

    fn levels(&self, levels: &[&Program], policy_type: PolicyType) -> Result<Option<SetAnswer>, Denied> {
        let mut all: Option<SetAnswer> = None;
        for program in levels {
            let answer = self.one(program, policy_type)?;
            all = Some(all.map_or(answer, |others| others.and_level(answer)));
        }
        Ok(all)
    }
}
