//! Looking names up, and the order of ids.

use std::collections::HashSet;
use std::sync::LazyLock;

use portcullis_reference::{ActionId, KeyId, Reach, ResourceTypeId, action, key, reach, service, services};
use proptest::prelude::*;

use crate::model::{MODEL, members};

/// `ecs:runtask` and all others, as the model has them.
static QUALIFIED: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let pages = members(&MODEL["services"]);
    let names = pages.flat_map(|(prefix, page)| {
        members(&page["a"]).map(move |(name, _)| format!("{prefix}:{name}").to_ascii_lowercase())
    });
    names.collect()
});

/// Every other letter large.
fn mixed(name: &str) -> String {
    let cased = name.chars().enumerate().map(|(at, letter)| match at % 2 {
        0 => letter.to_ascii_uppercase(),
        _ => letter.to_ascii_lowercase(),
    });
    cased.collect()
}

#[test]
fn every_action_is_found_in_any_case() {
    for id in ActionId::all() {
        let name = id.to_string();
        for form in [
            mixed(&name),
            name.to_ascii_uppercase(),
            name.to_ascii_lowercase(),
            name,
        ] {
            assert_eq!(action(&form), Some(id), "{form}");
        }
    }
}

#[test]
fn every_service_key_and_resource_type_is_found_in_any_case() {
    for id in services() {
        assert_eq!(service(&mixed(id.prefix())), Some(id));
    }
    for id in KeyId::all() {
        assert_eq!(key(&mixed(id.name())), Some(id), "{id}");
    }
    for id in ResourceTypeId::all() {
        assert_eq!(id.service().resource_type(&mixed(id.name())), Some(id));
    }
}

#[test]
fn ids_are_contiguous_and_in_order_in_each_service() {
    let mut next = 0;
    for service in services() {
        for action in service.actions() {
            assert_eq!(action.index(), next, "{action}");
            assert_eq!(ActionId::from_index(next), Some(action));
            assert_eq!(action.service(), service);
            next += 1;
        }
        assert!(service.actions().map(ActionId::folded_name).is_sorted());
        assert_eq!(
            service.actions().len(),
            members(&MODEL["services"][service.prefix()]["a"]).count()
        );
    }
    assert_eq!(next, ActionId::COUNT);
    assert_eq!(ActionId::from_index(next), None);
    assert!(services().map(|service| service.prefix()).is_sorted());
}

#[test]
fn names_that_are_nearly_right_are_not_found() {
    for name in [
        "",
        ":",
        "ecs",
        "ecs:",
        ":RunTask",
        "ecs:RunTas",
        "ecs:RunTask ",
        "ecs:RunTasks",
        "ec:sRunTask",
        "ecs::RunTask",
        "ecs:RunTask:",
        "ecs:DescribeCluster",
        "ecs:*",
        "iam:RunTask",
        "ecs\u{0}RunTask",
        "ecs:RunTasK\u{212a}",
    ] {
        assert_eq!(action(name), None, "{name:?}");
    }
    assert_eq!(service("ecs "), None);
    assert_eq!(service(""), None);
    assert_eq!(key("ecs:clusters"), None);
    assert_eq!(key("aws:ResourceTag/"), None);
    assert_eq!(key(""), None);
}

#[test]
fn a_name_that_differs_in_one_bit_of_one_byte_is_another_name() {
    let name = "ecs:RegisterContainerInstance".as_bytes();
    for at in 0..name.len() {
        for bit in 0..7 {
            let mut other = name.to_vec();
            other[at] ^= 1 << bit;
            let same = other.eq_ignore_ascii_case(name);
            let other = String::from_utf8(other).unwrap();
            assert_eq!(action(&other).is_some(), same, "{other}");
        }
    }
}

#[test]
fn the_name_of_a_tag_is_everything_after_the_first_slash() {
    // R167
    for (name, pattern) in [
        ("aws:ResourceTag/Department", "aws:ResourceTag/${TagKey}"),
        ("AWS:requesttag/a/b:c", "aws:RequestTag/${TagKey}"),
        (
            "ec2:ResourceTag/aws:cloudformation:stack-name",
            "ec2:ResourceTag/${TagKey}",
        ),
        ("aws:PrincipalTag/x.y-z", "aws:PrincipalTag/${TagKey}"),
        ("ecs:ResourceTag/${aws:username}", "ecs:ResourceTag/${TagKey}"),
        ("ssm:ResourceTag/x", "ssm:resourceTag/${TagKey}"),
        ("s3:ExistingObjectTag/project", "s3:ExistingObjectTag/<key>"),
        (
            "kms:EncryptionContext:AppName",
            "kms:EncryptionContext:${EncryptionContextKey}",
        ),
        ("events:Metadata/x", "events:Metadata/${MetadataKey}"),
        (
            "events:Metadata/x/Matcher",
            "events:Metadata/${MetadataKey}/Matcher",
        ),
        (
            "codebuild:secondarySources/a.auth.type",
            "codebuild:secondarySources/${sourceIdentifier}.auth.type",
        ),
        (
            "token.actions.githubusercontent.com:actor",
            "token.actions.githubusercontent.com:actor",
        ),
        (
            "token.actions.githubusercontent.com/octo:actor",
            "token.actions.githubusercontent.com/${SubPath}:actor",
        ),
        (
            "token.actions.example.ghe.com:actor",
            "token.actions.${Domain}.ghe.com:actor",
        ),
        (
            "idcs-1.identity.oraclecloud.com:rpst_id",
            "idcs-${OciUniqueIdentifier}.identity.oraclecloud.com:rpst_id",
        ),
    ] {
        assert_eq!(key(name).map(KeyId::name), Some(pattern), "{name}");
    }
}

proptest! {
    #[test]
    fn any_text_is_looked_up_without_harm(text in "\\PC{0,200}") {
        let _ = (action(&text), service(&text), key(&text), reach(&text));
    }

    #[test]
    fn what_a_look_up_finds_has_that_name(text in "(ecs|iam|s3|sts|AWS|foo):[A-Za-z]{0,4}(Task|Role|Tag|Object)s?") {
        let listed = QUALIFIED.contains(&text.to_ascii_lowercase());
        prop_assert_eq!(action(&text).is_some(), listed);
    }

    #[test]
    fn a_beginning_selects_what_begins_so(service_at in 0usize..456, start in "[A-Za-z]{0,6}") {
        let service = services().nth(service_at).unwrap();
        let begins = |id: &ActionId| id.folded_name().starts_with(&start.to_ascii_lowercase());
        let expected: Vec<_> = service.actions().filter(begins).collect();
        prop_assert_eq!(service.actions_starting_with(&start).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn any_tag_key_reaches_as_far_as_its_pattern(tag in "[A-Za-z0-9 _.:/=+@-]{1,128}") {
        let tagged = reach(&format!("ecs:resourcetag/{tag}"));
        prop_assert_eq!(tagged, reach("ecs:ResourceTag/${TagKey}"));
        prop_assert!(matches!(tagged, Reach::Listed(_)));
    }
}
