//! VPCs and what lies in them.

use portcullis_core::{Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Tables, object};

/// A VPC.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Vpc {
    /// Where.
    pub region: Region,
    /// `vpc-...`
    pub id: String,
    /// Its addresses, such as `10.0.0.0/16`.
    pub cidr: String,
    /// Whether it is the region's default VPC.
    pub is_default: bool,
    /// `default` or `dedicated`.
    pub tenancy: String,
    /// `enableDnsSupport`
    pub dns_support: bool,
    /// `enableDnsHostnames`
    pub dns_hostnames: bool,
    /// `enableNetworkAddressUsageMetrics`
    pub usage_metrics: bool,
    /// Its tags.
    pub tags: Tags,
}

/// A subnet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Subnet {
    /// Where.
    pub region: Region,
    /// `subnet-...`
    pub id: String,
    /// The id of its VPC.
    pub vpc: String,
    /// Its addresses.
    pub cidr: String,
    /// Its Availability Zone, by name.
    pub zone: String,
    /// Whether it is its zone's default subnet.
    pub default_for_zone: bool,
    /// `mapPublicIpOnLaunch`
    pub public_ip_on_launch: bool,
    /// `ip-name` or `resource-name`.
    pub hostname_type: String,
    /// `enableResourceNameDnsARecord`
    pub resource_name_record: bool,
    /// Its tags.
    pub tags: Tags,
}

/// An internet gateway.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InternetGateway {
    /// Where.
    pub region: Region,
    /// `igw-...`
    pub id: String,
    /// The VPC it is attached to.
    pub vpc: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

/// A route table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RouteTable {
    /// Where.
    pub region: Region,
    /// `rtb-...`
    pub id: String,
    /// The id of its VPC.
    pub vpc: String,
    /// What it is used for.
    pub associations: Vec<Association>,
    /// Its routes beside the local one.
    pub routes: Vec<Route>,
    /// Its tags.
    pub tags: Tags,
}

/// A use of a route table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Association {
    /// `rtbassoc-...`
    pub id: String,
    /// The subnet that uses it; without one it is the main route table of its VPC.
    pub subnet: Option<String>,
}

/// A route that somebody made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Where to: an IPv4 or IPv6 range.
    pub destination: String,
    /// The internet gateway, or else
    pub gateway: Option<String>,
    /// the network interface.
    pub interface: Option<String>,
}

/// A network interface.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NetworkInterface {
    /// Where.
    pub region: Region,
    /// `eni-...`
    pub id: String,
    /// The id of its subnet.
    pub subnet: String,
    /// The id of its VPC.
    pub vpc: String,
    /// Its Availability Zone, by name.
    pub zone: String,
    /// Its addresses, the primary one first.
    pub addresses: Vec<String>,
    /// Its hardware address.
    pub mac: String,
    /// What its maker says of it.
    pub description: String,
    /// The ids of its security groups.
    pub groups: Vec<String>,
    /// `sourceDestCheck`
    pub source_dest_check: bool,
    /// The token it was made with.
    pub client_token: Option<String>,
    /// A digest of the request with that token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// What it is attached to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachment: Option<InterfaceAttachment>,
    /// Which accounts may attach it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<InterfacePermission>,
    /// The `aws:userid` of the service that made it for itself: nobody else attaches, changes or deletes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

/// What a network interface is attached to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceAttachment {
    /// `eni-attach-...`
    pub id: String,
    /// The host, `i-...`; none when it is not the account's to know: of Fargate.
    pub instance: Option<String>,
    /// The number of the interface on its host.
    pub device_index: i32,
    /// Since when.
    pub since: Timestamp,
}

/// That an account may attach a network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfacePermission {
    /// `eni-perm-...`
    pub id: String,
    /// Whose the permission is.
    pub account: String,
    /// `INSTANCE-ATTACH` or `EIP-ASSOCIATE`
    pub permission: String,
}

impl NetworkInterface {
    /// The ids of what it carries that can be asked for by itself.
    pub(super) fn part_ids(&self) -> impl Iterator<Item = &str> {
        let attachment = self.attachment.iter().map(|one| one.id.as_str());
        attachment.chain(self.permissions.iter().map(|one| one.id.as_str()))
    }
}

impl RouteTable {
    /// Whether its VPC's subnets use it that have no other.
    pub fn is_main(&self) -> bool {
        self.associations.iter().any(|use_| use_.subnet.is_none())
    }
}

object!(Vpc, "ec2-vpc", "vpc-", vpcs, |_row| Vec::new());
object!(
    Subnet,
    "ec2-subnet",
    "subnet-",
    subnets,
    |row| vec![row.vpc.as_str()],
    Tables::index_subnet
);
object!(
    InternetGateway,
    "ec2-internet-gateway",
    "igw-",
    internet_gateways,
    |row| row.vpc.as_deref().into_iter().collect()
);
object!(RouteTable, "ec2-route-table", "rtb-", route_tables, |row| {
    let subnets = row.associations.iter().filter_map(|use_| use_.subnet.as_deref());
    subnets.chain([row.vpc.as_str()]).collect()
});
object!(
    NetworkInterface,
    "ec2-network-interface",
    "eni-",
    network_interfaces,
    |row| {
        let groups = row.groups.iter().map(String::as_str);
        [row.subnet.as_str(), row.vpc.as_str()]
            .into_iter()
            .chain(groups)
            .collect()
    },
    Tables::index_interface_row
);
