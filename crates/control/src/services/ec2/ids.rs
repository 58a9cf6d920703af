//! The ids of EC2's objects.

use std::sync::Arc;

use portcullis_core::{Arn, Random, hex_id};

use super::errors::Ec2Error;
use super::place::Place;
use crate::world::records::ec2::{
    InternetGateway, NetworkInterface, Object, RouteTable, SecurityGroup, Subnet, Tables, Vpc,
};

/// What kinds of objects there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Vpc,
    Subnet,
    SecurityGroup,
    SecurityGroupRule,
    InternetGateway,
    RouteTable,
    Association,
    NetworkInterface,
    Instance,
    NetworkAcl,
    DhcpOptions,
}

/// Prefix of ids, type in ARNs, what not-found texts say, what other texts say, stem of the codes.
type Names = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    [&'static str; 2],
);

/// How each kind is called, in AWS's codes and texts.
static NAMES: [(Kind, Names); 11] = [
    (
        Kind::Vpc,
        (
            "vpc",
            "vpc",
            "vpc ID",
            "vpc",
            ["InvalidVpcID.NotFound", "InvalidVpcId.Malformed"],
        ),
    ),
    (
        Kind::Subnet,
        (
            "subnet",
            "subnet",
            "subnet ID",
            "subnet",
            ["InvalidSubnetID.NotFound", "InvalidSubnetId.Malformed"],
        ),
    ),
    (
        Kind::SecurityGroup,
        (
            "sg",
            "security-group",
            "security group",
            "securityGroup",
            ["InvalidGroup.NotFound", "InvalidGroupId.Malformed"],
        ),
    ),
    (
        Kind::SecurityGroupRule,
        (
            "sgr",
            "security-group-rule",
            "security group rule ID",
            "securityGroupRule",
            [
                "InvalidSecurityGroupRuleId.NotFound",
                "InvalidSecurityGroupRuleId.Malformed",
            ],
        ),
    ),
    (
        Kind::InternetGateway,
        (
            "igw",
            "internet-gateway",
            "internetGateway ID",
            "internetGateway",
            [
                "InvalidInternetGatewayID.NotFound",
                "InvalidInternetGatewayId.Malformed",
            ],
        ),
    ),
    (
        Kind::RouteTable,
        (
            "rtb",
            "route-table",
            "routeTable ID",
            "routeTable",
            ["InvalidRouteTableID.NotFound", "InvalidRouteTableId.Malformed"],
        ),
    ),
    (
        Kind::Association,
        (
            "rtbassoc",
            "route-table-association",
            "association ID",
            "association",
            ["InvalidAssociationID.NotFound", "InvalidAssociationID.Malformed"],
        ),
    ),
    (
        Kind::NetworkInterface,
        (
            "eni",
            "network-interface",
            "networkInterface ID",
            "networkInterface",
            [
                "InvalidNetworkInterfaceID.NotFound",
                "InvalidNetworkInterfaceId.Malformed",
            ],
        ),
    ),
    (
        Kind::Instance,
        (
            "i",
            "instance",
            "instance ID",
            "instance",
            ["InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed"],
        ),
    ),
    (
        Kind::NetworkAcl,
        (
            "acl",
            "network-acl",
            "networkAcl ID",
            "networkAcl",
            ["InvalidNetworkAclID.NotFound", "InvalidNetworkAclId.Malformed"],
        ),
    ),
    (
        Kind::DhcpOptions,
        (
            "dopt",
            "dhcp-options",
            "dhcpOption ID",
            "dhcpOptions",
            ["InvalidDhcpOptionID.NotFound", "InvalidDhcpOptionsId.Malformed"],
        ),
    ),
];

/// For a kind without a row, which there is not.
static NOTHING: Names = ("", "", "", "", ["", ""]);

impl Kind {
    /// Every kind.
    pub(super) const ALL: [Self; 11] = [
        Self::Vpc,
        Self::Subnet,
        Self::SecurityGroup,
        Self::SecurityGroupRule,
        Self::InternetGateway,
        Self::RouteTable,
        Self::Association,
        Self::NetworkInterface,
        Self::Instance,
        Self::NetworkAcl,
        Self::DhcpOptions,
    ];

    fn names(self) -> &'static Names {
        let own = NAMES.iter().find(|(kind, _)| *kind == self);
        own.map_or(&NOTHING, |(_, names)| names)
    }

    /// `vpc`, `sg`: what ids start with.
    pub(super) fn prefix(self) -> &'static str {
        self.names().0
    }

    /// The type of the resource in ARNs and in tag specifications: `security-group`.
    pub(super) fn resource_type(self) -> &'static str {
        self.names().1
    }

    pub(super) fn title(self) -> &'static str {
        self.names().2
    }

    pub(super) fn word(self) -> &'static str {
        self.names().3
    }

    pub(crate) fn not_found(self) -> &'static str {
        let [not_found, _] = self.names().4;
        not_found
    }

    pub(super) fn malformed(self) -> &'static str {
        let [_, malformed] = self.names().4;
        malformed
    }

    /// A new id.
    pub(super) fn make(self, random: &dyn Random) -> String {
        made(self.prefix(), random)
    }

    /// The ARN of an object; `*` for the id of one that is still to be made.
    pub(super) fn arn(self, place: Place<'_>, id: &str) -> Arn {
        place.arn(format_args!("{}/{id}", self.resource_type()))
    }

    /// Refuses what is no id of the kind: the prefix, and 8 or 17 hexadecimal digits.
    pub(super) fn check(self, id: &str) -> Result<(), Ec2Error> {
        let digits = id
            .strip_prefix(self.prefix())
            .and_then(|rest| rest.strip_prefix('-'));
        let is_hex = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        };
        match digits {
            Some(digits) if matches!(digits.len(), 8 | 17) && is_hex(digits) => Ok(()),
            _ => Err(Ec2Error::Malformed(self, id.to_owned())),
        }
    }

    /// The kind that an id names by its form.
    pub(super) fn of(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.check(id).is_ok())
    }
}

/// A new id with any prefix: 17 hexadecimal digits that begin with a zero, as AWS's do.
pub(super) fn made(prefix: &str, random: &dyn Random) -> String {
    let digits: String = hex_id(random).chars().take(16).collect();
    format!("{prefix}-0{digits}")
}

/// The kinds that have records.
pub(super) trait Stored: Object {
    const ID: Kind;

    /// The object with this id, or AWS's word that there is none.
    fn get<'t>(tables: &'t Tables, place: Place<'_>, id: &str) -> Result<&'t Arc<Self>, Ec2Error> {
        Self::ID.check(id)?;
        tables
            .find(place.region, id)
            .ok_or_else(|| Ec2Error::NotFound(Self::ID, id.to_owned()))
    }
}

impl Stored for Vpc {
    const ID: Kind = Kind::Vpc;
}
impl Stored for Subnet {
    const ID: Kind = Kind::Subnet;
}
impl Stored for SecurityGroup {
    const ID: Kind = Kind::SecurityGroup;
}
impl Stored for InternetGateway {
    const ID: Kind = Kind::InternetGateway;
}
impl Stored for RouteTable {
    const ID: Kind = Kind::RouteTable;
}
impl Stored for NetworkInterface {
    const ID: Kind = Kind::NetworkInterface;
}
