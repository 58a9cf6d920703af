//! What every account begins with in every region: a default VPC with a subnet in each zone, an internet gateway, a main
//! route table and a default security group. Their ids follow from account and region, so that they can be shown before
//! anything is written down, by anybody, always the same.

use std::borrow::Cow;

use portcullis_core::{AccountId, Region, Tags};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    Association, InternetGateway, Peer, Route, RouteTable, Rule, SecurityGroup, Subnet, Tables, Vpc,
};
use crate::world::records::Record;
use crate::world::snapshot::Snapshot;
use crate::world::table::Table;
use crate::world::tx::Tx;

/// Says that a region's network is written down. From then on nothing is there that has no record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Start {
    /// The region.
    pub region: Region,
}

impl Record for Start {
    const KIND: &'static str = "ec2-start";
    fn key(&self) -> String {
        self.region.to_string()
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.ec2.started
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.ec2.started
    }
}

/// Letters of the Availability Zones that each region has.
const ZONES: [char; 3] = ['a', 'b', 'c'];
/// The default subnets, one for each zone.
const SUBNETS: [&str; 3] = ["172.31.0.0/20", "172.31.16.0/20", "172.31.32.0/20"];
const VPC: &str = "172.31.0.0/16";
const ANYWHERE: &str = "0.0.0.0/0";

/// The Availability Zones of a region, by name.
pub fn zones(region: &Region) -> impl Iterator<Item = String> + use<'_> {
    ZONES.iter().map(move |letter| format!("{region}{letter}"))
}

/// The id of what an account has from the start: prefix and 17 hexadecimal digits that follow from account, region and
/// what it is.
pub fn default_id(account: &AccountId, region: &Region, prefix: &str, what: &str) -> String {
    let digest = Sha256::digest(format!("{account}/{region}/{prefix}/{what}"));
    let mut id = format!("{prefix}-");
    for byte in digest.iter().take(9) {
        id.push_str(&format!("{byte:02x}"));
    }
    id.truncate(prefix.len() + 18);
    id
}

/// All of it.
#[derive(Debug)]
struct Beginning {
    vpc: Vpc,
    subnets: Vec<Subnet>,
    gateway: InternetGateway,
    route_table: RouteTable,
    security_group: SecurityGroup,
}

impl Vpc {
    /// A default VPC.
    pub fn default_of(region: &Region, id: String) -> Self {
        Self {
            region: region.clone(),
            id,
            cidr: VPC.to_owned(),
            is_default: true,
            tenancy: "default".to_owned(),
            dns_support: true,
            dns_hostnames: true,
            usage_metrics: false,
            tags: Tags::new(),
        }
    }
}

impl Beginning {
    /// `make` gives an id for a prefix and a word that says what it is for.
    fn new(account: &AccountId, region: &Region, make: impl Fn(&str, &str) -> String) -> Self {
        let vpc = Vpc::default_of(region, make("vpc", "default"));
        let subnets = zones(region).zip(SUBNETS).map(|(zone, cidr)| Subnet {
            region: region.clone(),
            id: make("subnet", &zone),
            vpc: vpc.id.clone(),
            cidr: cidr.to_owned(),
            zone,
            default_for_zone: true,
            public_ip_on_launch: true,
            hostname_type: "ip-name".to_owned(),
            resource_name_record: false,
            tags: Tags::new(),
        });
        let gateway = InternetGateway {
            region: region.clone(),
            id: make("igw", "default"),
            vpc: Some(vpc.id.clone()),
            tags: Tags::new(),
        };
        let mut route_table = RouteTable::main_of(&vpc, make("rtb", "default"), make("rtbassoc", "default"));
        route_table.routes.push(Route {
            destination: ANYWHERE.to_owned(),
            gateway: Some(gateway.id.clone()),
            interface: None,
        });
        let ids = [
            make("sg", "default"),
            make("sgr", "ingress"),
            make("sgr", "egress"),
        ];
        Self {
            subnets: subnets.collect(),
            gateway,
            route_table,
            security_group: SecurityGroup::default_of(&vpc, account, ids),
            vpc,
        }
    }
}

impl RouteTable {
    /// The main route table of a new VPC.
    pub fn main_of(vpc: &Vpc, id: String, association: String) -> Self {
        Self {
            region: vpc.region.clone(),
            id,
            vpc: vpc.id.clone(),
            associations: vec![Association {
                id: association,
                subnet: None,
            }],
            routes: Vec::new(),
            tags: Tags::new(),
        }
    }
}

impl SecurityGroup {
    /// The default security group of a new VPC: its members reach each other and everybody. `ids` are those of the group
    /// and of its two rules.
    pub fn default_of(vpc: &Vpc, account: &AccountId, ids: [String; 3]) -> Self {
        let [id, ingress, egress] = ids;
        let members = Peer::Group {
            id: id.clone(),
            account: account.clone(),
        };
        Self {
            region: vpc.region.clone(),
            name: Self::DEFAULT.to_owned(),
            description: "default VPC security group".to_owned(),
            vpc: vpc.id.clone(),
            rules: vec![
                Rule::of_everything(ingress, false, members),
                Rule::to_anywhere(egress),
            ],
            tags: Tags::new(),
            id,
        }
    }
}

impl Rule {
    /// What every new group lets go out: everything.
    pub fn to_anywhere(id: String) -> Self {
        Self::of_everything(id, true, Peer::Ipv4(ANYWHERE.to_owned()))
    }

    fn of_everything(id: String, egress: bool, peer: Peer) -> Self {
        Self {
            id,
            egress,
            protocol: "-1".to_owned(),
            from_port: -1,
            to_port: -1,
            peer,
            description: None,
            tags: Tags::new(),
        }
    }
}

impl Tables {
    /// The tables with all that is in a region, written down or not.
    pub fn with_region<'v>(view: &'v Snapshot, region: &Region) -> Cow<'v, Self> {
        if view.ec2.started.get(region.as_str()).is_some() {
            return Cow::Borrowed(&view.ec2);
        }
        let mut tables = view.ec2.clone();
        let account = &view.account;
        let beginning = Beginning::new(account, region, |prefix, what| {
            default_id(account, region, prefix, what)
        });
        tables.put(beginning.vpc);
        tables.put(beginning.gateway);
        tables.put(beginning.route_table);
        tables.put(beginning.security_group);
        for subnet in beginning.subnets {
            tables.put(subnet);
        }
        Cow::Owned(tables)
    }
}

impl Tx<'_> {
    /// Writes down what a region begins with, before anything there is changed.
    pub fn start_ec2(&mut self, region: &Region) {
        if self.view().ec2.started.get(region.as_str()).is_some() {
            return;
        }
        let account = self.view().account.clone();
        let beginning = Beginning::new(&account, region, |prefix, what| {
            default_id(&account, region, prefix, what)
        });
        self.put(Start {
            region: region.clone(),
        });
        self.put_beginning(beginning);
    }

    /// Makes a default VPC anew, with ids of its own; answers its id.
    pub fn make_default_vpc(&mut self, region: &Region, make: impl Fn(&str, &str) -> String) -> String {
        let account = self.view().account.clone();
        let beginning = Beginning::new(&account, region, make);
        let id = beginning.vpc.id.clone();
        self.put_beginning(beginning);
        id
    }

    fn put_beginning(&mut self, beginning: Beginning) {
        self.put(beginning.vpc);
        self.put(beginning.gateway);
        self.put(beginning.route_table);
        self.put(beginning.security_group);
        for subnet in beginning.subnets {
            self.put(subnet);
        }
    }
}
