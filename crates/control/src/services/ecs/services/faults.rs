//! What is wrong with requests about services, with AWS's texts, in one table. Sources: ecs.md 11; sentences that only
//! partly come from AWS are completed in its manner, and those it marks [K] are not verified.

use thiserror::Error;

/// Why a request about services, task sets or their history is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum ServiceFault {
    #[error("Desired count exceeds limit.")]
    DesiredCountLimit,
    #[error("The maximum number of services per cluster has been exceeded.")]
    ServiceLimit,
    #[error("Service was not ACTIVE.")]
    NotActive,
    #[error("launch type should be one of [EC2,FARGATE]")]
    LaunchType,
    #[error("You cannot specify an IAM role for services that require a service linked role.")]
    Role,
    #[error("healthCheckGracePeriodSeconds must be between 0 and 2147483647.")]
    GracePeriod,
    #[error(
        "The service couldn't be created because a valid taskRoleArn is not being specified. Specify a valid task role in your task definition and try again."
    )]
    ExecWithoutTaskRole,

    // Deployment configuration.
    #[error("minimumHealthyPercent must be at most 100")]
    MinimumPercent,
    #[error("minimumHealthyPercent must be at least 0")]
    MinimumPercentNegative,
    #[error("maximumPercent must be at least 100")]
    MaximumPercent,
    #[error("Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments")]
    PercentsBlock,
    #[error("Deployment circuit breaker feature can be configured only with ECS deployment controller")]
    BreakerController,
    #[error("The threshold value {0} of the deployment circuit breaker is not valid.")]
    BreakerThreshold(i32),
    #[error("Deployment alarms feature can be configured only with ECS deployment controller")]
    AlarmsController,
    #[error("alarmNames can not be empty when deployment alarms are enabled.")]
    AlarmsEmpty,

    // DAEMON.
    #[error(
        "The daemon scheduling strategy does not support a desired count for services. Remove the desired count value and try again"
    )]
    DaemonDesiredCount,
    #[error(
        "The daemon scheduling strategy does not support values above 100 for maximumPercent on a deployment configuration. Change the maximumPercent value to 100, and try again"
    )]
    DaemonMaximumPercent,
    #[error(
        "The daemon scheduling strategy does not support placement strategies. Remove the placement strategy and try again"
    )]
    DaemonPlacement,
    #[error(
        "Specifying a capacity provider strategy is not supported when you create a service using the DAEMON scheduling strategy."
    )]
    DaemonProviders,
    #[error("Availability Zone Rebalancing does not support DAEMON services")]
    DaemonRebalancing,
    #[error("The daemon scheduling strategy does not support the {0} deployment controller.")]
    DaemonController(&'static str),
    #[error("The daemon scheduling strategy does not support the FARGATE launch type.")]
    DaemonFargate,
    #[error(
        "Availability Zone Rebalancing requires the first placement strategy to be spread on attribute:ecs.availability-zone, or none."
    )]
    RebalancingStrategy,

    // Other controllers.
    #[error("the service requires an Application Load Balancer or Network Load Balancer")]
    CodeDeployBalancer,
    #[error("{0}")]
    ExternalService(&'static str),
    #[error(
        "Unable to update {0} on services with a CODE_DEPLOY deployment controller. Use AWS CodeDeploy to trigger a new deployment."
    )]
    UpdateCodeDeploy(&'static str),
    #[error(
        "Unable to update {0} on services with an EXTERNAL deployment controller. Use task sets to deploy a new version."
    )]
    UpdateExternal(&'static str),

    // What services are connected with.
    #[error(
        "loadBalancerName and targetGroupArn cannot both be specified. You must specify either a loadBalancerName or a targetGroupArn."
    )]
    LoadBalancerTwice,
    #[error("Classic Load Balancers are not supported with Fargate")]
    ClassicOnFargate,
    #[error("The container {0} does not exist in the task definition.")]
    TargetContainer(String),
    #[error("The container {container} did not have a container port {port} defined.")]
    TargetPort { container: String, port: i32 },
    #[error("service registries can have at most 1 items.")]
    RegistriesTooMany,
    #[error("The values specified for serviceRegistries do not require a value for 'containerPort'.")]
    RegistryPort,
    #[error("Namespace is missing.")]
    NamespaceMissing,
    #[error("{0} clientAliases exceeds the max limit of 1.")]
    ClientAliases(usize),
    #[error("portName({0}) does not refer to any named PortMapping in the container definitions.")]
    PortName(String),
    #[error("The volume name '{0}' in your request does not have a matching volume in your Task Definition.")]
    VolumeName(String),
    #[error("Either the size or the snapshot of the volume must be specified.")]
    VolumeSize,
    #[error("The specified namespace wasn't found.")]
    NamespaceNotFound,

    // Service deployments and revisions.
    #[error("{0} can not be empty.")]
    ListEmpty(&'static str),
    #[error("The service deployment that you specified wasn't found.")]
    DeploymentNotFound,
    #[error("The service deployment cannot be stopped because it is in the {0} state.")]
    DeploymentEnded(&'static str),
    #[error(
        "The service deployment cannot be rolled back because the service has no earlier deployment that completed."
    )]
    NoWayBack,
    #[error("The service deployment is not paused at a hook with the ID {0}. There is nothing to continue.")]
    NothingToContinue(String),

    // Task sets.
    #[error("The specified task set does not exist.")]
    TaskSetNotFound,
    #[error("Task sets are only supported for services with an EXTERNAL deployment controller.")]
    TaskSetController,
    #[error("The scale of a task set must be between 0.0 and 100.0.")]
    TaskSetScale,
    #[error("The service has reached its limit of 5 task sets.")]
    TaskSetLimit,
    #[error("The task set is draining and cannot be changed.")]
    TaskSetDraining,
    #[error(
        "The task set cannot be deleted while it is the primary task set or scaled above 0. Specify force to delete it."
    )]
    TaskSetScaled,
}

impl ServiceFault {
    /// The exception's name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotActive => "ServiceNotActiveException",
            Self::LaunchType => "ClientException",
            Self::NamespaceNotFound => "NamespaceNotFoundException",
            Self::DeploymentNotFound => "ServiceDeploymentNotFoundException",
            Self::DeploymentEnded(_) | Self::NoWayBack => "ConflictException",
            Self::TaskSetNotFound => "TaskSetNotFoundException",
            Self::TaskSetLimit => "LimitExceededException",
            _ => "InvalidParameterException",
        }
    }
}
