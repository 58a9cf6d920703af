//! The operation tables.

use portcullis_api::{SERVICES, ecs, iam, sts};
use portcullis_wire::{Operation as _, Protocol};

#[test]
fn every_served_operation_is_one_of_its_services_and_sorted() {
    for service in SERVICES {
        assert!(service.operations.is_sorted(), "{}", service.name);
        assert!(
            service.served.is_sorted_by_key(|operation| operation.name),
            "{}",
            service.name
        );
        for operation in service.served {
            assert_eq!(service.operation(operation.name), Some(operation.name));
            assert!(std::ptr::eq(operation.service, *service));
        }
    }
}

#[test]
fn services_serve_what_they_should() {
    let counts: Vec<String> = SERVICES
        .iter()
        .map(|service| {
            let (name, protocol) = (service.name, service.protocol);
            format!(
                "{name} {protocol:?}: {} of {}",
                service.served.len(),
                service.operations.len()
            )
        })
        .collect();
    insta::assert_snapshot!(counts.join("\n"), @r"
    cloudtrail Json11: 1 of 60
    ec2 Ec2Query: 54 of 103
    ecr Json11: 47 of 62
    ecs Json11: 73 of 88
    iam Query: 160 of 180
    iam-toolbox RestJson: 2 of 2
    kms Json11: 36 of 56
    logs Json11: 29 of 118
    organizations Json11: 7 of 63
    secretsmanager Json11: 20 of 26
    ssm Json11: 20 of 156
    sts Query: 11 of 11
    ");
}

#[test]
fn exception_statuses_are_400_unless_the_model_says_otherwise_or_the_service_is_at_fault() {
    assert_eq!(
        (
            ecs::error::CLUSTER_NOT_FOUND.code,
            ecs::error::CLUSTER_NOT_FOUND.status
        ),
        ("ClusterNotFoundException", 400)
    );
    assert_eq!(
        (ecs::error::SERVER.code, ecs::error::SERVER.status),
        ("ServerException", 500)
    );
    assert!(!ecs::error::SERVER.sender_fault);
    assert_eq!(
        (iam::error::NO_SUCH_ENTITY.code, iam::error::NO_SUCH_ENTITY.status),
        ("NoSuchEntity", 404)
    );
    assert_eq!(
        (
            iam::error::SERVICE_FAILURE.code,
            iam::error::SERVICE_FAILURE.status
        ),
        ("ServiceFailure", 500)
    );
}

#[test]
fn traits_of_the_model_are_kept() {
    assert!(ecs::op::DescribeClusters::META.readonly);
    assert!(ecs::op::DeleteCluster::META.idempotent);
    assert!(sts::op::AssumeRoleWithWebIdentity::META.unsigned);
    assert!(!sts::op::AssumeRole::META.unsigned);
    assert_eq!(iam::op::DeleteUser::META.result_wrapper, None);
    assert_eq!(iam::op::GetUser::META.result_wrapper, Some("GetUserResult"));
    assert_eq!(iam::SERVICE.protocol, Protocol::Query);
}

#[test]
fn debug_of_tables_prints_names_and_ends() {
    let shown = format!("{:?} {:?}", ecs::SERVICE, ecs::op::RunTask::META);
    assert_eq!(shown, "Service(ecs) OperationMeta(ecs:RunTask)");
    assert_eq!(
        format!("{:?}", ecs::op::RunTask::META.input),
        "Structure(RunTaskRequest)"
    );
}
