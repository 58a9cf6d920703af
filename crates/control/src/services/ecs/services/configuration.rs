//! `deploymentConfiguration`: its rules and its defaults (ecs.md 11).

use portcullis_api::ecs as api;

use super::faults::ServiceFault;
use crate::services::ecs::errors::EcsError;
use crate::world::records::ecs::{Controller, SchedulingStrategy};

/// The only way of deploying here.
const ROLLING: &str = "ROLLING";

/// The configuration of a service: what the request gives, else what was there before, else the defaults.
pub(super) fn complete(
    strategy: SchedulingStrategy,
    controller: Controller,
    given: Option<&api::DeploymentConfiguration>,
    before: Option<&api::DeploymentConfiguration>,
) -> Result<api::DeploymentConfiguration, EcsError> {
    let nothing = api::DeploymentConfiguration::default();
    let (given, before) = (given.unwrap_or(&nothing), before.unwrap_or(&nothing));
    check_supported(given)?;
    check_controller(controller, given)?;
    let breaker = given.deployment_circuit_breaker.as_ref();
    breaker.map_or(Ok(()), check_breaker)?;
    given.alarms.as_ref().map_or(Ok(()), check_alarms)?;
    let (least, most) = match strategy {
        SchedulingStrategy::Replica => (100, 200),
        SchedulingStrategy::Daemon => (0, 100),
    };
    let least = given
        .minimum_healthy_percent
        .or(before.minimum_healthy_percent)
        .unwrap_or(least);
    let most = given.maximum_percent.or(before.maximum_percent).unwrap_or(most);
    check_percents(strategy, least, most)?;
    let breaker = breaker.or(before.deployment_circuit_breaker.as_ref());
    Ok(api::DeploymentConfiguration {
        deployment_circuit_breaker: Some(breaker.cloned().unwrap_or_default()),
        maximum_percent: Some(most),
        minimum_healthy_percent: Some(least),
        alarms: given.alarms.clone().or_else(|| before.alarms.clone()),
        strategy: (controller == Controller::Ecs).then(|| ROLLING.to_owned()),
        ..api::DeploymentConfiguration::default()
    })
}

/// What this server cannot do yet.
fn check_supported(given: &api::DeploymentConfiguration) -> Result<(), EcsError> {
    let has_hooks = given
        .lifecycle_hooks
        .as_ref()
        .is_some_and(|hooks| !hooks.is_empty());
    let asked = [
        (
            "deployment strategies other than ROLLING",
            given.strategy.as_deref().is_some_and(|name| name != ROLLING),
        ),
        ("lifecycle hooks of deployments", has_hooks),
        (
            "a bake time of deployments",
            given.bake_time_in_minutes.is_some_and(|minutes| minutes > 0),
        ),
        (
            "traffic shifting in steps",
            given.linear_configuration.is_some() || given.canary_configuration.is_some(),
        ),
        (
            "early success criteria of deployments",
            given.early_success_criteria.is_some(),
        ),
    ];
    match asked.into_iter().find(|(_, asked)| *asked) {
        Some((what, _)) => Err(EcsError::Unsupported(what)),
        None => Ok(()),
    }
}

fn check_controller(controller: Controller, given: &api::DeploymentConfiguration) -> Result<(), EcsError> {
    let breaks = given
        .deployment_circuit_breaker
        .as_ref()
        .is_some_and(|breaker| breaker.enable);
    let watches = given.alarms.as_ref().is_some_and(|alarms| alarms.enable);
    match controller {
        Controller::Ecs => Ok(()),
        _ if breaks => Err(ServiceFault::BreakerController.into()),
        _ if watches => Err(ServiceFault::AlarmsController.into()),
        _ => Ok(()),
    }
}

fn check_breaker(breaker: &api::DeploymentCircuitBreaker) -> Result<(), EcsError> {
    let Some(threshold) = &breaker.threshold_configuration else {
        return Ok(());
    };
    let largest = match threshold.r#type.as_str() {
        "BOUNDED_PERCENT" => 100,
        _ => i32::MAX,
    };
    if (1..=largest).contains(&threshold.value) {
        Ok(())
    } else {
        Err(ServiceFault::BreakerThreshold(threshold.value).into())
    }
}

fn check_alarms(alarms: &api::DeploymentAlarms) -> Result<(), EcsError> {
    let named = alarms.alarm_names.iter().any(|name| !name.trim().is_empty());
    if alarms.enable && !named {
        Err(ServiceFault::AlarmsEmpty.into())
    } else {
        Ok(())
    }
}

fn check_percents(strategy: SchedulingStrategy, least: i32, most: i32) -> Result<(), EcsError> {
    match (strategy, least, most) {
        (SchedulingStrategy::Daemon, _, most) if most > 100 => Err(ServiceFault::DaemonMaximumPercent.into()),
        (_, least, _) if least < 0 => Err(ServiceFault::MinimumPercentNegative.into()),
        (_, least, _) if least > 100 => Err(ServiceFault::MinimumPercent.into()),
        (_, _, most) if most < 100 => Err(ServiceFault::MaximumPercent.into()),
        (_, least, most) if least >= most => Err(ServiceFault::PercentsBlock.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percents(
        strategy: SchedulingStrategy,
        least: Option<i32>,
        most: Option<i32>,
    ) -> Result<(i32, i32), EcsError> {
        let given = api::DeploymentConfiguration {
            minimum_healthy_percent: least,
            maximum_percent: most,
            ..api::DeploymentConfiguration::default()
        };
        let found = complete(strategy, Controller::Ecs, Some(&given), None)?;
        Ok((
            found.minimum_healthy_percent.unwrap(),
            found.maximum_percent.unwrap(),
        ))
    }

    #[test]
    fn percents_have_bounds_and_defaults_by_strategy() {
        use SchedulingStrategy::{Daemon, Replica};
        let cases = [
            ((Replica, None, None), Ok((100, 200))),
            ((Daemon, None, None), Ok((0, 100))),
            ((Replica, Some(0), Some(100)), Ok((0, 100))),
            (
                (Replica, Some(101), None),
                Err(ServiceFault::MinimumPercent.into()),
            ),
            (
                (Replica, Some(-1), None),
                Err(ServiceFault::MinimumPercentNegative.into()),
            ),
            (
                (Replica, None, Some(99)),
                Err(ServiceFault::MaximumPercent.into()),
            ),
            (
                (Replica, None, Some(100)),
                Err(ServiceFault::PercentsBlock.into()),
            ),
            (
                (Daemon, None, Some(101)),
                Err(ServiceFault::DaemonMaximumPercent.into()),
            ),
            ((Daemon, Some(100), None), Err(ServiceFault::PercentsBlock.into())),
        ];
        for ((strategy, least, most), expected) in cases {
            assert_eq!(
                percents(strategy, least, most),
                expected,
                "{strategy:?} {least:?} {most:?}"
            );
        }
    }

    #[test]
    fn what_an_update_leaves_out_stays() {
        let before = api::DeploymentConfiguration {
            minimum_healthy_percent: Some(50),
            maximum_percent: Some(150),
            alarms: Some(api::DeploymentAlarms {
                alarm_names: vec!["a".to_owned()],
                ..api::DeploymentAlarms::default()
            }),
            ..api::DeploymentConfiguration::default()
        };
        let given = api::DeploymentConfiguration {
            maximum_percent: Some(300),
            ..api::DeploymentConfiguration::default()
        };
        let found = complete(
            SchedulingStrategy::Replica,
            Controller::Ecs,
            Some(&given),
            Some(&before),
        )
        .unwrap();
        assert_eq!(
            (found.minimum_healthy_percent, found.maximum_percent),
            (Some(50), Some(300))
        );
        assert_eq!(found.alarms, before.alarms);
    }
}
