//! Rules of health checks and restarts.

use portcullis_api::ecs::HealthCheck;

use super::{DefinitionFault, Draft};

const RESTART_PERIOD: std::ops::RangeInclusive<i32> = 60..=1_800;
const RESTART_EXIT_CODES_MAX: usize = 50;

pub(super) fn checks(draft: Draft<'_>) -> Result<(), DefinitionFault> {
    let with_check = draft
        .containers()
        .filter_map(|(name, c)| c.health_check.as_ref().map(|check| (name, check)));
    with_check
        .into_iter()
        .try_for_each(|(name, check)| one(name, check))
}

fn one(name: &str, check: &HealthCheck) -> Result<(), DefinitionFault> {
    let c = || name.to_owned();
    if !matches!(
        check.command.first().map(String::as_str),
        Some("CMD" | "CMD-SHELL" | "NONE")
    ) {
        return Err(DefinitionFault::HealthCommand { c: c() });
    }
    let numbers = [
        ("interval", check.interval, 5, 300),
        ("timeout", check.timeout, 2, 60),
        ("retries", check.retries, 1, 10),
        ("startPeriod", check.start_period, 0, 300),
    ];
    for (field, value, least, most) in numbers {
        if value.is_some_and(|value| !(least..=most).contains(&value)) {
            return Err(DefinitionFault::HealthNumber {
                c: c(),
                field,
                least,
                most,
            });
        }
    }
    Ok(())
}

pub(super) fn restart_policies(draft: Draft<'_>) -> Result<(), DefinitionFault> {
    for (name, container) in draft.containers() {
        let Some(policy) = &container.restart_policy else {
            continue;
        };
        if policy
            .restart_attempt_period
            .is_some_and(|seconds| !RESTART_PERIOD.contains(&seconds))
        {
            return Err(DefinitionFault::RestartPeriod { c: name.to_owned() });
        }
        if policy
            .ignored_exit_codes
            .as_ref()
            .is_some_and(|codes| codes.len() > RESTART_EXIT_CODES_MAX)
        {
            return Err(DefinitionFault::RestartExitCodes { c: name.to_owned() });
        }
    }
    Ok(())
}
