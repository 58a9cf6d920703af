//! Why a task definition cannot be registered: ClientException, with these texts (ecs.md 7; texts it marks [E] or [K],
//! and those of rules it gives no text for, are not verified).

use thiserror::Error;

/// A broken rule; `c` is the container's name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum DefinitionFault {
    #[error("Family contains invalid characters.")]
    Family,
    #[error("Container list cannot be empty.")]
    NoContainers,
    #[error("Container list can have at most 10 containers.")]
    TooManyContainers,
    #[error("Container.name should not be null or empty.")]
    ContainerNameMissing,
    #[error("Container.name contains invalid characters.")]
    ContainerName,
    #[error("Container.name should be unique in the task definition. '{0}' is already used.")]
    ContainerNameUsed(String),
    #[error("Container.image should not be null or empty.")]
    ImageMissing,
    #[error("Container.image contains invalid characters.")]
    Image,
    #[error("Task definition must have at least one essential container.")]
    NoEssential,
    #[error("The size of the task definition exceeds the limit of 64 KiB.")]
    TooLarge,
    #[error("Unsupported field '{0}'")]
    UnsupportedField(&'static str),

    // Sizes.
    #[error(
        "Invalid setting for container '{c}'. At least one of 'memory' or 'memoryReservation' must be specified."
    )]
    MemoryMissing { c: String },
    #[error(
        "Invalid setting for container '{c}'. 'memory' must be greater than or equal to 'memoryReservation'."
    )]
    MemoryBelowReservation { c: String },
    #[error("Invalid setting for container '{c}'. '{field}' must be at least {least}.")]
    ContainerSize {
        c: String,
        field: &'static str,
        least: i32,
    },
    #[error("The 'memory' setting for container '{c}' is greater than for the task.")]
    MemoryAboveTask { c: String },
    #[error("The sum of the 'cpu' settings of the containers is greater than for the task.")]
    CpuAboveTask,
    #[error("Invalid '{0}' setting for task.")]
    TaskSize(&'static str),

    // Fargate.
    #[error("Fargate requires that '{0}' be defined at the task level.")]
    FargateSizeMissing(&'static str),
    #[error(
        "No Fargate configuration exists for given values: {cpu} CPU, {memory} memory. See the Amazon ECS documentation for the valid values."
    )]
    FargateSize { cpu: i32, memory: i32 },
    #[error("Fargate only supports network mode ‘awsvpc’.")]
    FargateNetworkMode,
    #[error("Fargate requires task definition to have execution role ARN to support log driver awslogs.")]
    FargateLogRole,
    #[error("Fargate requires task definition to have execution role ARN to support ECR images.")]
    FargateImageRole,
    #[error("Fargate compatible task definitions do not support {0}")]
    FargateField(&'static str),
    #[error("Fargate requires that the 'privileged' setting be 'false'")]
    FargatePrivileged,
    #[error("{0} is not allowed on Fargate.")]
    FargateCapability(String),
    #[error(
        "Tasks using the Fargate launch type do not support pidMode 'host'. The supported value for pidMode is 'task'."
    )]
    FargatePidMode,
    #[error("Fargate compatible task definitions do not support log driver {0}")]
    FargateLogDriver(String),
    #[error(
        "Tasks using the Fargate launch type must have a container stop timeout of less than 120 seconds."
    )]
    FargateStopTimeout,
    #[error("EphemeralStorage size should be at least 21")]
    EphemeralStorageSmall,
    #[error("EphemeralStorage size should be at most 200")]
    EphemeralStorageLarge,
    #[error("ARM64 is not supported with Windows operating system families.")]
    WindowsArm,
    #[error("Windows tasks on Fargate require at least 1024 CPU units.")]
    WindowsCpu,
    #[error("Tasks using the External launch type do not support network mode 'awsvpc'.")]
    ExternalNetworkMode,

    // Network.
    #[error("{field} are not supported on container when networkMode=awsvpc")]
    AwsvpcField { field: &'static str },
    #[error("Disable Networking is not supported on container when networkMode=awsvpc")]
    AwsvpcDisableNetworking,
    #[error("When networkMode={0}, the host ports and container ports in port mappings must match.")]
    HostPort(String),
    #[error("When networkMode=none, port mappings are not supported.")]
    PortsWithoutNetwork,
    #[error("port mapping name contains invalid characters: {0}")]
    PortName(String),
    #[error("port mapping name is already used: {0}")]
    PortNameUsed(String),
    #[error("cannot specify both single port and port range")]
    PortAndRange,
    #[error("containerPort or containerPortRange must be specified.")]
    PortMissing,
    #[error("Invalid port '{0}'. Ports are numbers from 1 to 65535.")]
    Port(i32),
    #[error("Invalid containerPortRange '{0}'.")]
    PortRange(String),
    #[error("A container can have at most 100 port ranges.")]
    PortRanges,
    #[error("Port '{0}' is mapped more than once in container '{1}'.")]
    PortUsed(u16, String),
    #[error("APPMESH proxy configuration requires network mode 'awsvpc'.")]
    ProxyNetworkMode,
    #[error("APPMESH proxy configuration requires the property '{0}'.")]
    ProxyProperty(&'static str),

    // Roles and logs.
    #[error(
        "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'."
    )]
    SecretsRole,
    #[error("Log driver awslogs requires options: awslogs-group")]
    AwslogsGroup,

    // Order and health.
    #[error("Container '{0}' in the task definition does not exist.")]
    UnknownContainer(String),
    #[error("The dependencies of container '{0}' form a cycle.")]
    DependencyCycle(String),
    #[error("A dependency container with SUCCESS or COMPLETE condition cannot be an essential container")]
    DependencyEssential,
    #[error("A dependency container with HEALTHY condition must have a health check")]
    DependencyHealth,
    #[error("The health check command of container '{c}' must start with CMD or CMD-SHELL.")]
    HealthCommand { c: String },
    #[error("The health check '{field}' of container '{c}' must be between {least} and {most}.")]
    HealthNumber {
        c: String,
        field: &'static str,
        least: i32,
        most: i32,
    },
    #[error("Granular {which} timeout on container '{c}' must be at least 2 seconds.")]
    Timeout { c: String, which: &'static str },
    #[error("The restart attempt period of container '{c}' must be between 60 and 1800 seconds.")]
    RestartPeriod { c: String },
    #[error("The restart policy of container '{c}' can ignore at most 50 exit codes.")]
    RestartExitCodes { c: String },

    // Volumes and files.
    #[error("Unknown volume '{0}'.")]
    UnknownVolume(String),
    #[error("Volume '{0}' is not used by any container.")]
    UnusedVolume(String),
    #[error("Volume.name should not be null or empty.")]
    VolumeNameMissing,
    #[error("Volume.name contains invalid characters.")]
    VolumeName,
    #[error("Volume.name should be unique in the task definition. '{0}' is already used.")]
    VolumeNameUsed(String),
    #[error("Volume '{0}' can have only one configuration.")]
    VolumeKinds(String),
    #[error("Only one volume can be configured at launch.")]
    LaunchVolumes,
    #[error("EFS IAM authorization requires transit encryption.")]
    EfsIam,
    #[error("An EFS transit encryption port requires transit encryption.")]
    EfsPort,
    #[error("With an EFS access point the root directory must be omitted or '/'.")]
    EfsRoot,
    #[error("A container can have at most 10 environment files.")]
    EnvironmentFiles,
    #[error("Invalid environment file '{0}'. It must be the ARN of an S3 object that ends in .env.")]
    EnvironmentFile(String),
    #[error("The soft limit of ulimit '{0}' is greater than its hard limit.")]
    Ulimit(String),

    // Placement.
    #[error("A task definition can have at most 10 placement constraints.")]
    Constraints,
    #[error("A placement constraint of type memberOf requires an expression of at most 2000 characters.")]
    ConstraintExpression,
    #[error("Invalid placement constraint expression: {0}")]
    Expression(String),
}
