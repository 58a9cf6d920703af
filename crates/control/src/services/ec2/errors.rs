//! EC2's errors: code, status and text in one place.

use crate::gate::error::ServiceError;

use super::ids::Kind;

/// Why EC2 refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ec2Error {
    /// The caller only wanted to know whether he may.
    DryRun,
    /// No object of the kind has this id.
    NotFound(Kind, String),
    /// A text that is no id of the kind.
    Malformed(Kind, String),
    /// Something still needs the object.
    InUse(Kind, String),
    /// A value that the parameter cannot have; with what is wrong, if that is to be said.
    Value {
        value: String,
        parameter: &'static str,
        reason: String,
    },
    /// Something else is wrong with the parameters.
    Parameter(String),
    /// A parameter that is missing.
    Missing(&'static str),
    /// Parameters that exclude each other.
    Combination(String),
    /// A token that no page gave.
    Token,
    /// A filter the operation does not have.
    Filter(String),
    /// Addresses that no VPC can have.
    VpcRange(String),
    /// Addresses that are not of the VPC, or too many or few for a subnet.
    SubnetRange(String),
    /// Addresses that another subnet has.
    SubnetConflict(String),
    /// There is a group of that name already.
    DuplicateGroup { name: String, vpc: String },
    /// No group of that name.
    GroupName { name: String, vpc: String },
    /// Groups every VPC must have.
    DefaultGroup { id: String, name: String },
    /// The same rule again; in AWS's words for rules.
    DuplicateRule(String),
    /// No such rule in the group.
    RuleNotFound,
    /// More rules than a group can have.
    RuleLimit,
    /// The owner of another group is no account.
    UserId(String),
    /// There is a default VPC already.
    DefaultVpcExists,
    /// There is no default VPC to take.
    NoDefaultVpc,
    /// The gateway hangs on another VPC.
    AlreadyAttached { gateway: String, vpc: String },
    /// The VPC has a gateway.
    HasGateway(String),
    /// The gateway does not hang there.
    NotAttached { gateway: String, vpc: String },
    /// There is a route to there.
    RouteExists(String),
    /// There is no route to there.
    RouteNotFound { destination: String, table: String },
    /// The subnet has another route table.
    AlreadyAssociated(String),
    /// Two things that lie in different VPCs.
    OtherNetwork(String),
    /// The address is taken.
    AddressInUse,
    /// The subnet is full.
    NoAddresses,
    /// The network interface is attached to something.
    InterfaceInUse(String),
    /// No attachment has this id.
    AttachmentNotFound(String),
    /// No permission to attach has this id.
    PermissionNotFound(String),
    /// The same client token with other parameters.
    OtherParameters,
    /// More permissions than an interface can have.
    PermissionLimit,
    /// A service made it for itself: others leave it alone.
    Managed,
    /// More tags than a resource can have.
    TagLimit,
    /// An id of nothing that can have tags.
    Untaggable(String),
    /// What this server does not have.
    Unsupported(&'static str),
}

/// Code and text.
type Words = (&'static str, String);

impl Ec2Error {
    fn words(self) -> Words {
        match self {
            Self::DryRun => (
                "DryRunOperation",
                "Request would have succeeded, but DryRun flag is set.".to_owned(),
            ),
            Self::NotFound(kind, id) => (
                kind.not_found(),
                format!("The {} '{id}' does not exist", kind.title()),
            ),
            Self::Malformed(kind, id) => (
                kind.malformed(),
                format!("Invalid id: \"{id}\" (expecting \"{}-...\")", kind.prefix()),
            ),
            Self::InUse(kind, id) => ("DependencyViolation", in_use(kind, &id)),
            Self::Value {
                value,
                parameter,
                reason,
            } => (
                "InvalidParameterValue",
                format!("Value ({value}) for parameter {parameter} is invalid. {reason}"),
            ),
            Self::Parameter(text) => ("InvalidParameterValue", text),
            Self::Missing(name) => (
                "MissingParameter",
                format!("The request must contain the parameter {name}"),
            ),
            Self::Combination(text) => ("InvalidParameterCombination", text),
            Self::Token => (
                "InvalidPaginationToken",
                "The specified pagination token is not valid or is expired.".to_owned(),
            ),
            Self::Filter(name) => ("InvalidParameterValue", format!("The filter '{name}' is invalid")),
            Self::OtherNetwork(text) => ("InvalidParameter", text),
            Self::Unsupported(what) => (
                "UnsupportedOperation",
                format!("{what} are not supported by this server."),
            ),
            Self::TagLimit => (
                "TagLimitExceeded",
                "The maximum number of Tags for a resource has been reached.".to_owned(),
            ),
            Self::Untaggable(id) => ("InvalidID", format!("The ID '{id}' is not valid")),
            other => other.group_words(),
        }
    }

    /// What is particular to security groups.
    fn group_words(self) -> Words {
        match self {
            Self::DuplicateGroup { name, vpc } => (
                "InvalidGroup.Duplicate",
                format!("The security group '{name}' already exists for VPC '{vpc}'"),
            ),
            Self::GroupName { name, vpc } => (
                "InvalidGroup.NotFound",
                format!("The security group '{name}' does not exist in default VPC '{vpc}'"),
            ),
            Self::DefaultGroup { id, name } => (
                "CannotDelete",
                format!("the specified group: \"{id}\" name: \"{name}\" cannot be deleted by a user"),
            ),
            Self::DuplicateRule(rule) => (
                "InvalidPermission.Duplicate",
                format!("the specified rule \"{rule}\" already exists"),
            ),
            Self::RuleNotFound => (
                "InvalidPermission.NotFound",
                "The specified rule does not exist in this security group.".to_owned(),
            ),
            Self::UserId(id) => ("InvalidUserID.Malformed", format!("Invalid user id: \"{id}\"")),
            Self::RuleLimit => (
                "RulesPerSecurityGroupLimitExceeded",
                "The maximum number of rules per security group has been reached.".to_owned(),
            ),
            other => other.network_words(),
        }
    }

    /// What is particular to VPCs, subnets and routes.
    fn network_words(self) -> Words {
        match self {
            Self::VpcRange(cidr) => ("InvalidVpc.Range", format!("The CIDR '{cidr}' is invalid.")),
            Self::SubnetRange(cidr) => ("InvalidSubnet.Range", format!("The CIDR '{cidr}' is invalid.")),
            Self::SubnetConflict(cidr) => (
                "InvalidSubnet.Conflict",
                format!("The CIDR '{cidr}' conflicts with another subnet"),
            ),
            Self::DefaultVpcExists => (
                "DefaultVpcAlreadyExists",
                "A Default VPC already exists for this account in this region.".to_owned(),
            ),
            Self::NoDefaultVpc => ("VPCIdNotSpecified", "No default VPC for this user".to_owned()),
            Self::AlreadyAttached { gateway, vpc } => (
                "Resource.AlreadyAssociated",
                format!("resource {gateway} is already attached to network {vpc}"),
            ),
            Self::HasGateway(vpc) => (
                "InvalidParameterValue",
                format!("Network {vpc} already has an internet gateway attached"),
            ),
            Self::NotAttached { gateway, vpc } => (
                "Gateway.NotAttached",
                format!("resource {gateway} is not attached to network {vpc}"),
            ),
            Self::RouteExists(destination) => (
                "RouteAlreadyExists",
                format!("The route identified by {destination} already exists."),
            ),
            Self::RouteNotFound { destination, table } => (
                "InvalidRoute.NotFound",
                format!("no route with destination-cidr-block {destination} in route table {table}"),
            ),
            Self::AlreadyAssociated(table) => (
                "Resource.AlreadyAssociated",
                format!(
                    "the specified association for route table {table} conflicts with an existing association"
                ),
            ),
            _ => self.interface_words(),
        }
    }

    /// What is particular to network interfaces.
    fn interface_words(self) -> Words {
        match self {
            Self::AddressInUse => (
                "InvalidIPAddress.InUse",
                "The specified address is already in use.".to_owned(),
            ),
            Self::NoAddresses => (
                "InsufficientFreeAddressesInSubnet",
                "The specified subnet does not have enough free addresses to satisfy the request.".to_owned(),
            ),
            Self::InterfaceInUse(id) => (
                "InvalidParameterValue",
                format!("Network interface '{id}' is currently in use."),
            ),
            Self::AttachmentNotFound(id) => (
                "InvalidAttachmentID.NotFound",
                format!("Attachment '{id}' does not exist."),
            ),
            Self::PermissionNotFound(id) => (
                "InvalidPermissionID.NotFound",
                format!("The network interface permission ID '{id}' does not exist"),
            ),
            Self::OtherParameters => (
                "IdempotentParameterMismatch",
                "The request uses the same client token as a previous, but non-identical request.".to_owned(),
            ),
            Self::PermissionLimit => (
                "InvalidParameterValue",
                "The maximum number of permissions per network interface has been reached.".to_owned(),
            ),
            Self::Managed => (
                "AuthFailure",
                "You do not have permission to access the specified resource.".to_owned(),
            ),
            _ => ("InternalError", "An internal error has occurred".to_owned()),
        }
    }
}

fn in_use(kind: Kind, id: &str) -> String {
    match kind {
        Kind::SecurityGroup => format!("resource {id} has a dependent object"),
        _ => format!(
            "The {} '{id}' has dependencies and cannot be deleted.",
            kind.word()
        ),
    }
}

impl From<Ec2Error> for ServiceError {
    fn from(error: Ec2Error) -> Self {
        let status = match error {
            Ec2Error::DryRun => 412,
            _ => 400,
        };
        let (code, text) = error.words();
        Self::new(code, status, text)
    }
}
