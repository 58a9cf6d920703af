//! May they? Every check of a call against every policy that speaks about its caller.

use std::sync::LazyLock;

use portcullis_core::AccountId;
use portcullis_policy::{
    Context, Document, Explanation, Kind, PolicySets, Prepared, Principal, Programs, Request, Source,
};

use super::call::Call;
use super::context::{add_global_keys, add_resource_account_keys};
use super::error::ServiceError;
use super::operation::{Check, Decided, Granted, Owner, ResourcePolicy};
use super::policies::{Policies, Standing, Unreadable, home};
use crate::open_points;
use crate::world::Snapshot;
use crate::world::compiled::Policy;

/// Stands for the trust policy of a role that is not there.
static TRUSTING_NOBODY: LazyLock<Option<Document>> = LazyLock::new(|| {
    let text = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"nobody.invalid"},"Action":"sts:AssumeRole"}]}"#;
    Document::parse(text, Kind::Trust).ok()
});

/// Decides all checks of a call; the first refused one is the answer (R139).
pub(crate) fn authorize(view: &Snapshot, call: &Call, checks: &[Check]) -> Result<Granted, ServiceError> {
    let home = home(view, &call.caller);
    let standing = Standing::of(&home, &call.caller).map_err(|unreadable| broken(call, &unreadable))?;
    let mut asker = Asker::of(view, call);
    let mut granted = Granted {
        optional: Vec::new(),
        other_accounts: other_accounts(call, checks),
        shown_resources: shown_resources(call, checks),
    };
    let refusals = checks.iter().filter_map(|check| {
        let refused = match asker.allows(check, &standing) {
            true => not_the_owner(call, check),
            false => Some(check.refusal.clone().unwrap_or_else(|| asker.refusal(check))),
        };
        match check.optional {
            false => refused,
            true => {
                granted.optional.push(Decided::of(check, refused));
                None
            }
        }
    });
    match open_points::r139_answer(refusals) {
        Some(error) => Err(error),
        None => Ok(granted),
    }
}

/// Whether the policy on a check's resource would let the caller do it, if the caller's own policies are these.
pub(crate) fn would_allow(view: &Snapshot, call: &Call, check: &Check, identity: &Policy) -> bool {
    let Some(Ok(resource)) = check
        .resource_policy
        .as_ref()
        .map(|policy| policy.policy.as_ref())
    else {
        return false;
    };
    let asker = Asker::of(view, call);
    let question = asker.question(check);
    let programs = Programs {
        identity: Some(identity.program()),
        resource: Some(resource.program()),
        ..Programs::default()
    };
    let request = asker.request(check, &question);
    portcullis_policy::authorize(&Prepared::new(&request), &programs).is_allowed()
}

/// Records of KMS name the keys and aliases that a call used, those of ECR the repository.
fn shown_resources(call: &Call, checks: &[Check]) -> Vec<String> {
    if !matches!(call.service.name, "ecr" | "kms") {
        return Vec::new();
    }
    let named = checks.iter().map(|check| &check.resource);
    let own = call.service.name;
    let is_one = |arn: &&String| arn.split(':').nth(2) == Some(own) && !arn.ends_with('*');
    let mut arns: Vec<_> = named.filter(is_one).cloned().collect();
    arns.dedup();
    arns
}

fn other_accounts(call: &Call, checks: &[Check]) -> Vec<AccountId> {
    // A key that another service uses for the caller is in KMS's own record.
    let is_used = |check: &&Check| check.action.starts_with("kms:") && call.service.name != "kms";
    let named = checks.iter().filter(|check| !is_used(check));
    let accounts = named.filter_map(Check::resource_account);
    // Who calls another account finds it in the own history too.
    let accounts = accounts.chain([call.caller.account.clone()]);
    let mut others: Vec<_> = accounts.filter(|account| *account != call.account).collect();
    others.sort_unstable();
    others.dedup();
    others
}

/// Why each check of a call was decided as it was: the slow path beside [`authorize`]. `None` when a policy that bears on
/// it cannot be read.
pub fn explain(view: &Snapshot, call: &Call, checks: &[Check]) -> Vec<Option<Explanation>> {
    let home = home(view, &call.caller);
    let Ok(policies) = Policies::of(&home, &call.caller) else {
        return checks.iter().map(|_| None).collect();
    };
    let asker = Asker::of(view, call);
    let one = |check| Some(asker.with_sources(check, &policies, portcullis_policy::explain));
    checks.iter().map(one).collect()
}

/// What the checks of one call are decided with.
pub(super) struct Asker<'a> {
    view: &'a Snapshot,
    call: &'a Call,
    /// Who asks.
    pub(super) principal: Principal,
    /// The keys that all checks of the call share.
    pub(super) context: Context,
}

/// What one check asks beside its action and resource.
pub(super) struct Question {
    /// Its keys.
    pub(super) context: Context,
    /// The account of the resource.
    pub(super) account: AccountId,
}

impl<'a> Asker<'a> {
    pub(super) fn of(view: &'a Snapshot, call: &'a Call) -> Self {
        let mut context = Context::new();
        add_global_keys(&mut context, view, call);
        Self {
            view,
            call,
            principal: call.caller.principal(),
            context,
        }
    }

    /// What a check asks. A check may know better than the call: AssumeRole's own MFA code speaks for it (R162).
    fn question(&self, check: &Check) -> Question {
        self.question_after(self.context.clone(), check)
    }

    /// What a check adds to the keys that all share.
    pub(super) fn own_question(&self, check: &Check) -> Question {
        self.question_after(Context::new(), check)
    }

    fn question_after(&self, mut context: Context, check: &Check) -> Question {
        for (key, value) in check.context.iter() {
            context.insert(key, value.clone());
        }
        let account = self.account_of(check);
        if account != self.call.account {
            add_resource_account_keys(&mut context, self.view, &account);
        }
        Question { context, account }
    }

    /// Whose the resource of a check is.
    fn account_of(&self, check: &Check) -> AccountId {
        check
            .resource_account()
            .unwrap_or_else(|| self.call.account.clone())
    }

    fn request<'r>(&'r self, check: &'r Check, question: &'r Question) -> Request<'r> {
        Request {
            principal: &self.principal,
            action: check.action,
            resource: &check.resource,
            context: &question.context,
            resource_account: Some(&question.account),
        }
    }

    fn allows(&mut self, check: &Check, standing: &Standing<'_>) -> bool {
        let resource = match &check.resource_policy {
            None => None,
            Some(ResourcePolicy {
                policy: Ok(policy), ..
            }) => Some(policy.program()),
            Some(ResourcePolicy { policy: Err(_), .. }) => return false,
        };
        let account = self.account_of(check);
        let principal = &self.principal;
        let decide = |context: &Context| {
            let request = Request {
                principal,
                action: check.action,
                resource: &check.resource,
                context,
                resource_account: Some(&account),
            };
            portcullis_policy::authorize(&Prepared::new(&request), &standing.programs(resource)).is_allowed()
        };
        match account == self.call.account {
            true => self.context.with_over(&check.context, decide),
            false => decide(&self.question(check).context),
        }
    }

    /// The words of a refusal: decided again, slowly, from the policies as they were written.
    fn refusal(&self, check: &Check) -> ServiceError {
        if self.call.caller.web_identity().is_some() {
            // Strangers are told nothing of the role they wanted.
            let text = format!("Not authorized to perform {}", check.action);
            return ServiceError::access_denied(self.call.service, text);
        }
        let in_words = |request: &Request<'_>, sets: &PolicySets<'_>| {
            let decision = portcullis_policy::decide(request, sets);
            (!decision.is_allowed()).then(|| {
                let caller = self.call.caller.arn();
                portcullis_policy::access_denied_message(&caller, check.action, check.shown(), &decision)
            })
        };
        let home = home(self.view, &self.call.caller);
        let text = Policies::of(&home, &self.call.caller)
            .ok()
            .and_then(|policies| self.with_sources(check, &policies, in_words))
            .unwrap_or_else(|| self.refusal_without_reason(check));
        ServiceError::access_denied(self.call.service, text)
    }

    fn refusal_without_reason(&self, check: &Check) -> String {
        let caller = self.call.caller.arn();
        format!(
            "User: {caller} is not authorized to perform: {} on resource: {}",
            check.action,
            check.shown()
        )
    }

    fn with_sources<R>(
        &self,
        check: &Check,
        policies: &Policies<'_>,
        then: impl FnOnce(&Request<'_>, &PolicySets<'_>) -> R,
    ) -> R {
        let sets = policies.sets(resource_source(check));
        then(&self.request(check, &self.question(check)), &sets)
    }
}

/// The policy on a check's resource. One that cannot be asked counts as one that allows nobody.
pub(super) fn resource_source(check: &Check) -> Option<Source<'_>> {
    let ResourcePolicy { name, policy } = check.resource_policy.as_ref()?;
    let document = match policy {
        Ok(policy) => policy.document(),
        Err(_) => TRUSTING_NOBODY.as_ref()?,
    };
    Some(Source {
        name,
        arn: None,
        attached_to: Some(&check.resource),
        document,
    })
}

/// Keeps out whoever has the permission but is not the one the resource belongs to.
fn not_the_owner(call: &Call, check: &Check) -> Option<ServiceError> {
    let owner = check.owner.as_ref().filter(|owner| !owner.is(&call.caller))?;
    let text = match owner {
        Owner::Caller {
            resource, because, ..
        }
        | Owner::Nobody { resource, because }
        | Owner::Task {
            arn: resource,
            because,
        } => format!(
            "User: {} is not authorized to perform: {} on resource: {resource} because {because}",
            call.caller.arn(),
            check.action,
        ),
        Owner::Account { refusal, .. } => (*refusal).to_owned(),
    };
    let refused = ServiceError::access_denied(call.service, text);
    Some(match owner {
        Owner::Caller { resource, .. } | Owner::Nobody { resource, .. } => refused.trespassing(resource),
        Owner::Task { .. } | Owner::Account { .. } => refused,
    })
}

fn broken(call: &Call, Unreadable(what): &Unreadable) -> ServiceError {
    tracing::error!(caller = %call.caller.arn(), policy = %what, "an attached policy cannot be read: everything is denied until it is replaced");
    let text = format!(
        "User: {} is not authorized to perform: {}:{}",
        call.caller.arn(),
        call.service.signing_name,
        call.operation
    );
    ServiceError::access_denied(call.service, text)
}
