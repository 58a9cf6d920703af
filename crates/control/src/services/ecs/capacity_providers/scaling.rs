//! The Auto Scaling group of a provider and how it shall be scaled: rules and defaults (ecs.md 3). Nothing here scales
//! anything; the settings are kept and shown.

use portcullis_api::ecs as api;

use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::Scope;

const TARGET_DEFAULT: i32 = 100;
const STEP_MAX: i32 = 10_000;
const WARM_UP_DEFAULT: i32 = 300;
const ON: &str = "ENABLED";
const OFF: &str = "DISABLED";

/// A new provider's group with every default filled in.
pub(super) fn complete(
    scope: Scope<'_>,
    asked: &api::AutoScalingGroupProvider,
) -> Result<api::AutoScalingGroupProvider, EcsError> {
    check_group(scope, &asked.auto_scaling_group_arn)?;
    let off = api::ManagedScaling {
        status: Some(OFF.to_owned()),
        ..api::ManagedScaling::default()
    };
    let group = api::AutoScalingGroupProvider {
        auto_scaling_group_arn: asked.auto_scaling_group_arn.clone(),
        managed_scaling: Some(scaling(asked.managed_scaling.as_ref().unwrap_or(&off), None)?),
        managed_termination_protection: Some(word(asked.managed_termination_protection.as_ref(), OFF)),
        managed_draining: Some(word(asked.managed_draining.as_ref(), ON)),
    };
    check_protection(group)
}

/// A provider's group after a change: what the change leaves out stays.
pub(super) fn changed(
    now: &api::AutoScalingGroupProvider,
    asked: &api::AutoScalingGroupProviderUpdate,
) -> Result<api::AutoScalingGroupProvider, EcsError> {
    let kept = now.managed_scaling.as_ref();
    let managed_scaling = match &asked.managed_scaling {
        Some(asked) => Some(scaling(asked, kept)?),
        None => kept.cloned(),
    };
    let keep = |asked: &Option<String>, now: &Option<String>| asked.clone().or_else(|| now.clone());
    check_protection(api::AutoScalingGroupProvider {
        auto_scaling_group_arn: now.auto_scaling_group_arn.clone(),
        managed_scaling,
        managed_termination_protection: keep(
            &asked.managed_termination_protection,
            &now.managed_termination_protection,
        ),
        managed_draining: keep(&asked.managed_draining, &now.managed_draining),
    })
}

/// An ARN of Auto Scaling in this region and account, or the name of a group.
fn check_group(scope: Scope<'_>, text: &str) -> Result<(), EcsError> {
    let home = format!(
        "arn:{}:autoscaling:{}:{}:autoScalingGroup:",
        scope.region.partition().as_str(),
        scope.region,
        scope.account
    );
    let name = match text.strip_prefix(&home) {
        Some(rest) => rest
            .split_once(":autoScalingGroupName/")
            .map_or("", |(_, name)| name),
        None if text.starts_with("arn:") => "",
        None => text,
    };
    if name.is_empty() {
        return Err(EcsError::AutoScalingGroup);
    }
    Ok(())
}

fn word(asked: Option<&String>, default: &str) -> String {
    asked.cloned().unwrap_or_else(|| default.to_owned())
}

fn scaling(
    asked: &api::ManagedScaling,
    kept: Option<&api::ManagedScaling>,
) -> Result<api::ManagedScaling, EcsError> {
    let number = |field: fn(&api::ManagedScaling) -> Option<i32>, default: i32| {
        field(asked).or_else(|| kept.and_then(field)).unwrap_or(default)
    };
    let status = asked
        .status
        .clone()
        .or_else(|| kept.and_then(|kept| kept.status.clone()));
    let target = number(|one| one.target_capacity, TARGET_DEFAULT);
    let least = number(|one| one.minimum_scaling_step_size, 1);
    let most = number(|one| one.maximum_scaling_step_size, STEP_MAX);
    let warm_up = number(|one| one.instance_warmup_period, WARM_UP_DEFAULT);
    let ranges = [
        ("target capacity", target, 1, 100),
        ("minimum scaling step size", least, 1, STEP_MAX),
        ("maximum scaling step size", most, 1, STEP_MAX),
        ("instance warmup period", warm_up, 0, STEP_MAX),
    ];
    if let Some((what, _, from, to)) = ranges.into_iter().find(|(_, n, from, to)| n < from || n > to) {
        return Err(EcsError::ManagedScaling(what, from, to));
    }
    if least > most {
        return Err(EcsError::ScalingSteps);
    }
    Ok(api::ManagedScaling {
        status: Some(status.unwrap_or_else(|| ON.to_owned())),
        target_capacity: Some(target),
        minimum_scaling_step_size: Some(least),
        maximum_scaling_step_size: Some(most),
        instance_warmup_period: Some(warm_up),
    })
}

fn check_protection(group: api::AutoScalingGroupProvider) -> Result<api::AutoScalingGroupProvider, EcsError> {
    let is_scaled = group
        .managed_scaling
        .as_ref()
        .and_then(|one| one.status.as_deref())
        == Some(ON);
    if group.managed_termination_protection.as_deref() == Some(ON) && !is_scaled {
        return Err(EcsError::TerminationProtection);
    }
    Ok(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(asked: &api::AutoScalingGroupProvider) -> Result<api::AutoScalingGroupProvider, EcsError> {
        let home = ("us-east-1".parse().unwrap(), "123456789012".parse().unwrap());
        let (region, account) = &home;
        super::complete(Scope { region, account }, asked)
    }

    const GROUP: &str =
        "arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:uuid:autoScalingGroupName/hosts";

    fn asked(change: impl FnOnce(&mut api::ManagedScaling)) -> api::AutoScalingGroupProvider {
        let mut scaling = api::ManagedScaling::default();
        change(&mut scaling);
        api::AutoScalingGroupProvider {
            auto_scaling_group_arn: GROUP.to_owned(),
            managed_scaling: Some(scaling),
            ..Default::default()
        }
    }

    #[test]
    fn defaults_are_awss() {
        let whole = complete(&asked(|_| {})).unwrap();
        let scaling = whole.managed_scaling.unwrap();
        assert_eq!(scaling.status.as_deref(), Some("ENABLED"));
        assert_eq!(
            [
                scaling.target_capacity,
                scaling.minimum_scaling_step_size,
                scaling.maximum_scaling_step_size,
                scaling.instance_warmup_period
            ],
            [Some(100), Some(1), Some(10_000), Some(300)]
        );
        assert_eq!(whole.managed_draining.as_deref(), Some("ENABLED"));
        let plain = api::AutoScalingGroupProvider {
            auto_scaling_group_arn: GROUP.to_owned(),
            ..Default::default()
        };
        let off = complete(&plain).unwrap().managed_scaling.unwrap();
        assert_eq!(off.status.as_deref(), Some("DISABLED"));
    }

    #[test]
    fn numbers_have_their_ranges_and_steps_their_order() {
        type Change = fn(&mut api::ManagedScaling);
        let cases: [(Change, EcsError); 6] = [
            (
                |one| one.target_capacity = Some(0),
                EcsError::ManagedScaling("target capacity", 1, 100),
            ),
            (
                |one| one.target_capacity = Some(101),
                EcsError::ManagedScaling("target capacity", 1, 100),
            ),
            (
                |one| one.minimum_scaling_step_size = Some(0),
                EcsError::ManagedScaling("minimum scaling step size", 1, 10_000),
            ),
            (
                |one| one.maximum_scaling_step_size = Some(10_001),
                EcsError::ManagedScaling("maximum scaling step size", 1, 10_000),
            ),
            (
                |one| one.instance_warmup_period = Some(-1),
                EcsError::ManagedScaling("instance warmup period", 0, 10_000),
            ),
            (
                |one| (one.minimum_scaling_step_size, one.maximum_scaling_step_size) = (Some(3), Some(2)),
                EcsError::ScalingSteps,
            ),
        ];
        for (change, expected) in cases {
            assert_eq!(complete(&asked(change)).err(), Some(expected));
        }
    }

    #[test]
    fn termination_protection_needs_managed_scaling() {
        let mut protected = asked(|one| one.status = Some("DISABLED".to_owned()));
        protected.managed_termination_protection = Some("ENABLED".to_owned());
        assert_eq!(complete(&protected).err(), Some(EcsError::TerminationProtection));
        protected.managed_scaling = Some(api::ManagedScaling::default());
        let whole = complete(&protected).unwrap();
        let off = api::AutoScalingGroupProviderUpdate {
            managed_scaling: Some(api::ManagedScaling {
                status: Some("DISABLED".to_owned()),
                ..Default::default()
            }),
            ..Default::default()
        };
        assert_eq!(changed(&whole, &off).err(), Some(EcsError::TerminationProtection));
    }

    #[test]
    fn a_group_is_named_by_its_arn_or_its_name() {
        for (text, good) in [
            (GROUP, true),
            ("hosts", true),
            ("", false),
            ("arn:aws:ecs:us-east-1:123456789012:cluster/c", false),
            (
                "arn:aws:autoscaling:us-east-1:123456789012:launchConfiguration:x",
                false,
            ),
            (&GROUP.replace("123456789012", "999999999999"), false),
            (&GROUP.replace("us-east-1", "eu-west-1"), false),
            (&GROUP.replace("arn:aws:", "arn:aws-cn:"), false),
        ] {
            let mut asked = asked(|_| {});
            text.clone_into(&mut asked.auto_scaling_group_arn);
            assert_eq!(complete(&asked).is_ok(), good, "{text}");
        }
    }
}
