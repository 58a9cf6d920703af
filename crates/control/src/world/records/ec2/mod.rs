//! EC2's network objects, as far as ECS refers to them; kept apart per region: every key is `REGION/ID`.

mod addresses;
mod defaults;
mod firewalls;
mod network;
mod security_group;

use std::sync::Arc;

use portcullis_core::{Region, Tags};
use portcullis_store::{Store, StoreError};

use super::{Record, load};
use crate::world::marks::Marks;
use crate::world::snapshot::Snapshot;
use crate::world::table::{Index, Table};

pub use defaults::{Start, default_id, zones};
pub use network::{
    Association, InterfaceAttachment, InterfacePermission, InternetGateway, NetworkInterface, Route,
    RouteTable, Subnet, Vpc,
};
pub use security_group::{Peer, Rule, SecurityGroup};

/// The tables of EC2.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    /// The regions whose network is written down, by name. In the others there is what every account begins with.
    pub started: Table<Start>,
    /// By `REGION/ID`.
    pub vpcs: Table<Vpc>,
    /// By `REGION/ID`.
    pub subnets: Table<Subnet>,
    /// By `REGION/ID`.
    pub security_groups: Table<SecurityGroup>,
    /// By `REGION/ID`.
    pub internet_gateways: Table<InternetGateway>,
    /// By `REGION/ID`.
    pub route_tables: Table<RouteTable>,
    /// By `REGION/ID`.
    pub network_interfaces: Table<NetworkInterface>,
    /// What hangs on what, by `REGION/PARENT-ID/CHILD-ID`. Derived.
    belongings: Index,
    /// What is free in the subnets. Derived.
    addresses: addresses::Addresses,
    /// The ids of the interfaces that carry an attachment or a permission, by `REGION/ID`. Derived.
    interface_parts: Table<String>,
    /// The security groups, by their keys, whose rules come to other addresses than before. Derived.
    pub stirred_groups: Marks,
    /// The number of the change that is being made.
    change: u64,
}

/// What all objects of EC2 have.
pub trait Object: Record + Clone {
    /// What its ids start with.
    const PREFIX: &'static str;
    /// Its id.
    fn id(&self) -> &str;
    /// Its region.
    fn region(&self) -> &Region;
    /// Its tags.
    fn tags(&self) -> &Tags;
    /// The same, to change them.
    fn tags_mut(&mut self) -> &mut Tags;
    /// The ids of the objects it hangs on.
    fn parents(&self) -> Vec<&str>;
    /// Where the tables keep them.
    fn rows(tables: &Tables) -> &Table<Self>;
    /// The same, to change them.
    fn rows_mut(tables: &mut Tables) -> &mut Table<Self>;
    /// Keeps what else is derived from it in step.
    fn index_more(_tables: &mut Tables, _before: Option<&Self>, _after: Option<&Self>) {}
}

/// The key of an object.
pub fn key_of(region: &Region, id: &str) -> String {
    format!("{region}/{id}")
}

impl Tables {
    /// An object by id.
    pub fn find<O: Object>(&self, region: &Region, id: &str) -> Option<&Arc<O>> {
        O::rows(self).get(&key_of(region, id))
    }

    /// All objects of a kind in a region, in the order of their ids.
    pub fn all<O: Object>(&self, region: &Region) -> Vec<&Arc<O>> {
        let prefix = format!("{region}/");
        O::rows(self).prefix(&prefix).map(|(_, row)| row).collect()
    }

    /// The objects of a kind that hang on another one, in the order of their ids.
    pub fn children<O: Object>(&self, region: &Region, parent: &str) -> Vec<&Arc<O>> {
        // Of its kind only: a VPC has few security groups and many interfaces.
        let home = format!("{region}/{parent}/");
        let prefix = format!("{home}{}", O::PREFIX);
        let keys = self.belongings.prefix(&prefix);
        let ids = keys.filter_map(|(key, _)| key.get(home.len()..));
        ids.filter_map(|id| self.find(region, id)).collect()
    }

    /// The ids of everything that hangs on an object.
    pub fn children_ids(&self, region: &Region, parent: &str) -> Vec<&str> {
        let prefix = format!("{region}/{parent}/");
        let keys = self.belongings.prefix(&prefix);
        keys.filter_map(|(key, _)| key.get(prefix.len()..)).collect()
    }

    /// The default VPC of a region, if it was not deleted.
    pub fn default_vpc(&self, region: &Region) -> Option<&Arc<Vpc>> {
        self.all::<Vpc>(region).into_iter().find(|vpc| vpc.is_default)
    }

    fn put<O: Object>(&mut self, row: O) {
        self.index(None, Some(&row));
        let key = row.key();
        O::rows_mut(self).insert(&key, Arc::new(row));
    }

    fn index<O: Object>(&mut self, before: Option<&O>, after: Option<&O>) {
        let key = |row: &O, parent: &str| format!("{}/{parent}/{}", row.region(), row.id());
        if let Some(row) = before {
            for parent in row.parents() {
                self.belongings.remove(&key(row, parent));
            }
        }
        if let Some(row) = after {
            for parent in row.parents() {
                self.belongings.insert(&key(row, parent), ());
            }
        }
        O::index_more(self, before, after);
    }
}

/// Says where a kind of object is kept, and keeps what hangs on what in step.
macro_rules! object {
    ($type:ty, $kind:literal, $prefix:literal, $table:ident, |$row:ident| $parents:expr $(, $index:path)?) => {
        impl $crate::world::records::ec2::Object for $type {
            const PREFIX: &'static str = $prefix;
            $(fn index_more(
                tables: &mut $crate::world::records::ec2::Tables,
                before: Option<&Self>,
                after: Option<&Self>,
            ) {
                $index(tables, before, after);
            })?
            fn id(&self) -> &str {
                &self.id
            }
            fn region(&self) -> &portcullis_core::Region {
                &self.region
            }
            fn tags(&self) -> &portcullis_core::Tags {
                &self.tags
            }
            fn tags_mut(&mut self) -> &mut portcullis_core::Tags {
                &mut self.tags
            }
            fn parents(&self) -> Vec<&str> {
                let $row = self;
                $parents
            }
            fn rows(tables: &$crate::world::records::ec2::Tables) -> &$crate::world::Table<Self> {
                &tables.$table
            }
            fn rows_mut(tables: &mut $crate::world::records::ec2::Tables) -> &mut $crate::world::Table<Self> {
                &mut tables.$table
            }
        }

        impl $crate::world::records::Record for $type {
            const KIND: &'static str = $kind;
            fn key(&self) -> String {
                $crate::world::records::ec2::key_of(&self.region, &self.id)
            }
            fn table(snapshot: &$crate::world::Snapshot) -> &$crate::world::Table<Self> {
                &snapshot.ec2.$table
            }
            fn table_mut(snapshot: &mut $crate::world::Snapshot) -> &mut $crate::world::Table<Self> {
                &mut snapshot.ec2.$table
            }
            fn reindex(snapshot: &mut $crate::world::Snapshot, before: Option<&Self>, after: Option<&Self>) {
                snapshot.ec2.change = snapshot.sequence;
                snapshot.ec2.index(before, after);
            }
        }
    };
}
use object;

pub(super) fn load_all(snapshot: &mut Snapshot, store: &dyn Store) -> Result<(), StoreError> {
    load::<Start>(snapshot, store)?;
    load::<Vpc>(snapshot, store)?;
    load::<Subnet>(snapshot, store)?;
    load::<SecurityGroup>(snapshot, store)?;
    load::<InternetGateway>(snapshot, store)?;
    load::<RouteTable>(snapshot, store)?;
    load::<NetworkInterface>(snapshot, store)
}
