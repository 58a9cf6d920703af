//! Every error of ECS with its code and text, in one table, so that a text found to be wrong is mended in one place.
//! Sources: ecs.md; texts it marks [K] or [E] are not verified.

use thiserror::Error;

use super::daemons::DaemonFault;
use super::services::ServiceFault;
use super::task_definitions::DefinitionFault;
use crate::gate::error::ServiceError;

/// What ECS answers when it refuses a call. The variant says when, the text what the caller reads.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum EcsError {
    // Clusters (ecs.md 2).
    #[error("Cluster not found.")]
    ClusterNotFound,
    #[error("The referenced cluster was inactive.")]
    ClusterInactive,
    #[error("The Cluster cannot be deleted while Container Instances are active or draining.")]
    ClusterContainsContainerInstances,
    #[error("The Cluster cannot be deleted while Services are active.")]
    ClusterContainsServices,
    #[error("The Cluster cannot be deleted while Tasks are active.")]
    ClusterContainsTasks,
    #[error("Cluster name contains invalid characters.")]
    ClusterName,
    #[error("Invalid cluster setting '{0}'. The only supported setting is 'containerInsights'.")]
    ClusterSettingName(String),
    #[error(
        "Invalid value '{0}' for the cluster setting 'containerInsights'. Specify enabled, disabled or enhanced."
    )]
    ClusterSettingValue(String),
    #[error("Settings can not be empty.")]
    ClusterSettingsEmpty,
    #[error("You must set logging to 'OVERRIDE' when you supply a log configuration.")]
    ExecLoggingNotOverride,
    #[error(
        "A CloudWatch log group name or S3 bucket name must be specified when overriding the default log configuration."
    )]
    ExecLoggingTarget,

    // Capacity providers (ecs.md 2, 3).
    #[error("The specified capacity provider '{0}' was not found.")]
    CapacityProviderNotFound(String),
    #[error(
        "The specified capacity provider strategy cannot contain a capacity provider that is not associated with the cluster. Associate the capacity provider with the cluster and try again."
    )]
    CapacityProviderNotAssociated,
    #[error(
        "The specified capacity provider strategy contains multiple capacity providers with a base value defined."
    )]
    CapacityProviderBases,
    #[error(
        "There are no capacity providers in the capacity provider strategy with a weight value greater than zero."
    )]
    CapacityProviderWeights,

    #[error(
        "The specified capacity provider name is invalid. Up to 255 characters are allowed, including letters (upper and lowercase), numbers, underscores (_), and hyphens (-). The name cannot be prefixed with \"aws\", \"ecs\", or \"fargate\". Specify a valid name and try again."
    )]
    CapacityProviderName,
    #[error(
        "The specified capacity provider already exists. To change the configuration of an existing capacity provider, update the capacity provider."
    )]
    CapacityProviderExists,
    #[error("The specified capacity provider does not exist. Specify a valid name or ARN and try again.")]
    CapacityProviderUnknown,
    #[error("The specified capacity provider is reserved and cannot be changed or deleted.")]
    CapacityProviderReserved,
    #[error(
        "The capacity provider cannot be deleted because it is associated with cluster: {0}. Remove the capacity provider from the cluster and try again."
    )]
    CapacityProviderAssociated(String),
    #[error("The specified capacity provider is in use and cannot be removed.")]
    CapacityProviderInUse,
    #[error(
        "The capacity provider must have exactly one of autoScalingGroupProvider and managedInstancesProvider."
    )]
    CapacityProviderKind,
    #[error("The specified Auto Scaling group ARN is invalid.")]
    AutoScalingGroup,
    #[error(
        "The specified Auto Scaling group is already being used by another capacity provider. Specify a different Auto Scaling group and try again."
    )]
    AutoScalingGroupUsed,
    #[error("The managed scaling {0} value is invalid. Specify a value between {1} and {2} and try again.")]
    ManagedScaling(&'static str, i32, i32),
    #[error(
        "The minimum or maximum scaling step size value is invalid. The minimum scaling step size cannot be greater than the maximum."
    )]
    ScalingSteps,
    #[error(
        "To enable managed termination protection for a capacity provider, managed scaling must be enabled too."
    )]
    TerminationProtection,
    #[error(
        "There are multiple capacity providers in the specified capacity provider strategy with a base value defined."
    )]
    StrategyBases,
    #[error(
        "A capacity provider strategy cannot contain a mix of Fargate and Auto Scaling group capacity providers."
    )]
    StrategyMixed,
    #[error("A capacity provider strategy cannot contain the capacity provider '{0}' more than once.")]
    StrategyDuplicate(String),

    // Names, lists and pages (ecs.md 0, 1).
    #[error("Invalid identifier: {0}")]
    InvalidIdentifier(String),
    #[error("Identifier is for {found}. Your cluster is {expected}")]
    OtherCluster { found: String, expected: String },
    #[error("Invalid token.")]
    Token,
    #[error("Invalid maxResults: {given}. It must be between 1 and {limit}.")]
    MaxResults { given: i32, limit: i32 },
    #[error("{what} can have at most {limit} items.")]
    TooMany { what: &'static str, limit: usize },
    #[error("unknown should be one of [{0}]")]
    UnknownSetting(String),
    #[error("Invalid value '{value}' for the account setting '{name}'.")]
    SettingValue { name: String, value: String },
    #[error("The setting name must be specified when a value is specified.")]
    SettingNameMissing,
    #[error("The principal ARN '{0}' is not valid for this account.")]
    SettingPrincipal(String),

    // Tags (ecs.md 6).
    #[error("The ARN provided is invalid.")]
    ArnInvalid,
    #[error("The specified resource does not exist.")]
    ResourceNotFound,
    #[error("Long arn format must be used for tagging operations")]
    ShortArn,
    #[error("Duplicate tag keys found. Please note that Tag keys are case sensitive.")]
    TagDuplicate,
    #[error("Tag keys and values cannot start with aws:")]
    TagReserved,
    #[error("The number of tags exceeds the limit of 50.")]
    TagLimit,
    #[error("The specified task is stopped. Specify a running task and try again.")]
    TaggedTaskStopped,

    // Task definitions (ecs.md 7).
    #[error(transparent)]
    Definition(#[from] DefinitionFault),
    #[error("Unable to describe task definition.")]
    DefinitionNotFound,
    #[error("Unable to describe daemon task definition.")]
    DaemonDefinitionNotFound,
    #[error(
        "The specified daemon task definition is not active. Specify an active daemon task definition and try again."
    )]
    DaemonDefinitionNotActive,
    #[error("Revision is missing.")]
    RevisionMissing,
    #[error("Invalid revision number. Number: {0}")]
    RevisionNumber(String),
    #[error(
        "The specified task definition is inactive. You can only deregister active task definitions. Specify an active task definition and try again."
    )]
    DefinitionNotDeregisterable,
    #[error("TaskDefinition is inactive")]
    DefinitionInactive,
    #[error("size of TaskDefinition references list must be greater than 0")]
    DefinitionsEmpty,
    #[error("Size of TaskDefinition references list cannot exceed 10")]
    DefinitionsTooMany,
    #[error("The family has reached its limit of 1000000 revisions.")]
    RevisionLimit,
    #[error("Role is not valid")]
    Role,
    #[error("Cross-account pass role is not allowed.")]
    RoleOfOtherAccount,

    // Container instances and attributes (ecs.md 5, 8).
    #[error("Container Instances cannot be empty.")]
    InstancesEmpty,
    #[error("The specified container instance was not found.")]
    InstanceNotFound,
    #[error("Found running tasks on the instance.")]
    InstanceHasTasks,
    #[error("The container instance '{0}' is not registered with this cluster.")]
    InstanceNotRegistered(String),
    #[error("Container instance status should be one of [ACTIVE,DRAINING]")]
    InstanceState,
    #[error("The resource '{0}' is missing or has the wrong type.")]
    InstanceResource(String),
    #[error("The instance identity document is not valid.")]
    IdentityDocument,
    #[error(
        "Container instance type changes are not supported. Container instance {id} was previously registered as {before}."
    )]
    InstanceType { id: String, before: String },
    #[error("Ours: the registration's agent key is not proven by its holder.")]
    AgentKeyNotProven,
    #[error(
        "Ours: the container instance is registered with another agent key. Deregister it, then register it anew."
    )]
    AgentKeyChanged,
    #[error(
        "Ours: the container instance was approved without an agent key. Deregister it, then register it anew."
    )]
    AgentKeyTooLate,
    #[error("Invalid expression: {0}")]
    Expression(String),
    #[error("attributes can not be empty")]
    AttributesEmpty,
    #[error("The attribute name '{0}' is reserved.")]
    AttributeReserved(String),
    #[error("The attribute name '{0}' is not valid.")]
    AttributeName(String),
    #[error("The attribute value '{0}' is not valid.")]
    AttributeValue(String),
    #[error("The attribute targetId must be specified.")]
    AttributeTarget,
    #[error("An attribute name must be specified when an attribute value is specified.")]
    AttributeFilter,
    #[error("The number of custom attributes on a resource cannot exceed 10.")]
    AttributeLimit,
    #[error(
        "The specified target was not found. You can view your available container instances with ListContainerInstances. Amazon ECS container instances are cluster-specific and Region-specific."
    )]
    TargetNotFound,

    // Updates of agents (ecs.md 8).
    #[error("There is no update available for this Amazon ECS container agent.")]
    NoAgentUpdate,
    #[error("Amazon ECS cannot determine the current version of the container agent on this instance.")]
    AgentVersionMissing,
    #[error("An update of the Amazon ECS container agent on this instance is already in progress.")]
    AgentUpdateInProgress,

    // Execute Command (ecs.md 9).
    #[error("Interactive is the only mode supported currently.")]
    ExecNotInteractive,
    #[error("The command must not be empty.")]
    ExecCommandEmpty,
    #[error("Container name must be specified when the task has more than one container.")]
    ExecContainerMissing,
    #[error("The container '{0}' was not found in the task.")]
    ExecContainer(String),
    #[error(
        "The execute command failed because execute command was not enabled when the task was run or the execute command agent isn\u{2019}t running. Wait and try again or run a new task with execute command enabled and try again."
    )]
    ExecNotEnabled,
    #[error("The execute command failed due to an internal error. Try again later.")]
    ExecNotConnected,
    #[error("The container has reached its limit of {0} sessions. End one and try again.")]
    ExecSessionLimit(usize),

    // Services (ecs.md 11).
    #[error("Service not found.")]
    ServiceNotFound,
    #[error("Creation of service was not idempotent.")]
    ServiceNotIdempotent,
    #[error("Unable to Start a service that is still Draining.")]
    ServiceDraining,
    #[error("The service cannot be stopped while it is scaled above 0.")]
    ServiceScaled,
    #[error("Service name contains invalid characters.")]
    ServiceName,
    #[error("TaskDefinition can not be blank.")]
    ServiceDefinitionMissing,
    #[error("The desired count must be specified and cannot be negative.")]
    ServiceDesiredCount,
    #[error("Services cannot be empty.")]
    ServicesEmpty,
    #[error(transparent)]
    Service(#[from] ServiceFault),
    #[error(transparent)]
    Daemon(#[from] DaemonFault),
    #[error("This server does not support {0} yet.")]
    Unsupported(&'static str),

    // Tasks (ecs.md 9).
    #[error("Tasks cannot be empty.")]
    TasksEmpty,
    #[error("expiresInMinutes must be between 1 and 2880.")]
    ProtectionExpiry,
    #[error("The referenced task was not found.")]
    TaskNotFound,
    #[error("No Container Instances were found in your cluster.")]
    NoContainerInstances,
    #[error("count must be between 1 and 10.")]
    TaskCount,
    #[error("Override for container named {0} is not a container in the TaskDefinition.")]
    OverrideContainer(String),
    #[error("Overrides can not exceed 8192 characters.")]
    OverrideSize,
    #[error("Override for container named {0} is specified more than once.")]
    OverrideTwice(String),
    #[error("Override for container named {0} has an environment variable without a name.")]
    OverrideVariable(String),
    #[error(
        "Override for inference accelerator named {0} is not an inference accelerator in the TaskDefinition."
    )]
    OverrideAccelerator(String),
    #[error("Override for ephemeralStorage is not supported for tasks that do not run on Fargate.")]
    OverrideStorage,
    #[error("Network Configuration must be provided when networkMode 'awsvpc' is specified.")]
    NetworkConfigurationMissing,
    #[error("subnets can not be empty.")]
    SubnetsEmpty,
    #[error("Error retrieving subnet information for [{id}]: {why}")]
    SubnetUnknown { id: String, why: String },
    #[error("Error retrieving security group information for [{id}]: {why}")]
    SecurityGroupUnknown { id: String, why: String },
    #[error("Subnet {0} does not appear to belong to the same VPC as the other subnets.")]
    SubnetOfOtherVpc(String),
    #[error("Security Group {0} does not appear to belong to the same VPC as the input subnets.")]
    SecurityGroupOfOtherVpc(String),
    #[error("Network Configuration is not valid for the given networkMode of this task definition.")]
    NetworkConfigurationUnwanted,
    #[error("launch type should be one of [EC2,FARGATE,EXTERNAL]")]
    LaunchType,
    #[error("Task definition does not support launch_type {0}.")]
    LaunchTypeUnsupported(String),
    #[error("Specifying both a launch type and capacity provider strategy is not supported")]
    LaunchTypeAndStrategy,
    #[error(
        "ECS was unable to assume the role '{0}' that was provided for this task. Please verify that the role being passed has the proper trust relationship and permissions and that your IAM user has permissions to pass this role."
    )]
    RoleNotAssumable(String),
    #[error("group cannot start with '{0}'.")]
    TaskGroup(&'static str),
    #[error("startedBy is too long or contains invalid characters.")]
    StartedBy,
    #[error("startedBy must be the only filter.")]
    StartedByFilter,
    #[error("enableExecuteCommand requires a task role.")]
    ExecWithoutTaskRole,
    #[error("propagateTags can only be TASK_DEFINITION for standalone tasks.")]
    PropagateTags,
    #[error("The platform version must be null when specifying an EC2 launch type.")]
    PlatformVersion,
    #[error("The specified platform version does not exist.")]
    PlatformUnknown,
    #[error("The specified platform version does not satisfy the task definition's required capabilities.")]
    PlatformIncompatible,
    #[error("No Fargate configuration exists for given values: {cpu} CPU, {memory} memory.")]
    FargateSize { cpu: i32, memory: i32 },
    #[error("Placement {0} are not supported with FARGATE launch type.")]
    FargatePlacement(&'static str),
    #[error(
        "Capacity is unavailable at this time. Please try again later or in a different availability zone"
    )]
    CapacityUnavailable,
    #[error("Tasks provisioning capacity limit exceeded.")]
    ProvisioningLimit,
    #[error("distinctInstance expression should not be specified")]
    DistinctInstanceExpression,
    #[error("Placement type '{0}' is invalid.")]
    PlacementType(String),
    #[error("{kind} field '{field}' is invalid")]
    PlacementField { kind: String, field: String },
    #[error("clientToken is too long or contains invalid characters.")]
    ClientToken,
    #[error("The clientToken was used before with other parameters.")]
    Conflict { resource_ids: Vec<String> },
}

impl EcsError {
    /// The exception's name. Its status is 400 for all of these.
    fn code(&self) -> &'static str {
        match self {
            Self::ClusterNotFound | Self::ClusterInactive => "ClusterNotFoundException",
            Self::ClusterContainsContainerInstances => "ClusterContainsContainerInstancesException",
            Self::ClusterContainsServices => "ClusterContainsServicesException",
            Self::ClusterContainsTasks => "ClusterContainsTasksException",
            Self::ResourceNotFound => "ResourceNotFoundException",
            Self::TargetNotFound => "TargetNotFoundException",
            Self::AttributeLimit => "AttributeLimitExceededException",
            Self::TagLimit | Self::RevisionLimit => "LimitExceededException",
            Self::ServiceNotFound => "ServiceNotFoundException",
            Self::Service(fault) => fault.code(),
            Self::Daemon(fault) => fault.code(),
            Self::Unsupported(_) => "UnsupportedFeatureException",
            Self::Conflict { .. } => "ConflictException",
            Self::NoAgentUpdate => "NoUpdateAvailableException",
            Self::AgentVersionMissing => "MissingVersionException",
            Self::AgentUpdateInProgress => "UpdateInProgressException",
            Self::ExecNotConnected => "TargetNotConnectedException",
            Self::RoleOfOtherAccount => "AccessDeniedException",
            Self::CapacityProviderInUse => "ResourceInUseException",
            Self::PlatformUnknown => "PlatformUnknownException",
            Self::PlatformIncompatible => "PlatformTaskDefinitionIncompatibilityException",
            Self::CapacityProviderName
            | Self::CapacityProviderExists
            | Self::CapacityProviderUnknown
            | Self::CapacityProviderReserved
            | Self::CapacityProviderAssociated(_)
            | Self::CapacityProviderKind
            | Self::AutoScalingGroup
            | Self::AutoScalingGroupUsed
            | Self::ManagedScaling(..)
            | Self::ScalingSteps
            | Self::TerminationProtection
            | Self::CapacityUnavailable
            | Self::ProvisioningLimit
            | Self::FargateSize { .. } => "ClientException",
            Self::Definition(_)
            | Self::DefinitionNotFound
            | Self::DaemonDefinitionNotFound
            | Self::DaemonDefinitionNotActive
            | Self::RevisionMissing
            | Self::DefinitionNotDeregisterable
            | Self::Role
            | Self::InstancesEmpty
            | Self::TaggedTaskStopped
            | Self::RoleNotAssumable(_)
            | Self::IdentityDocument
            | Self::InstanceType { .. }
            | Self::AgentKeyNotProven
            | Self::AgentKeyChanged
            | Self::AgentKeyTooLate => "ClientException",
            _ => "InvalidParameterException",
        }
    }
}

impl From<EcsError> for ServiceError {
    fn from(error: EcsError) -> Self {
        let plain = Self::new(error.code(), 400, error.to_string());
        match error {
            EcsError::Conflict { resource_ids } => plain.with_field("resourceIds", resource_ids.into()),
            _ => plain,
        }
    }
}

impl From<ServiceFault> for ServiceError {
    fn from(fault: ServiceFault) -> Self {
        EcsError::from(fault).into()
    }
}

impl From<DefinitionFault> for ServiceError {
    fn from(fault: DefinitionFault) -> Self {
        EcsError::from(fault).into()
    }
}
