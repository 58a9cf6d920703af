//! What CloudWatch Logs keeps beside the log events themselves: groups, their streams, and resource policies. Events are in the
//! store of log events, under ids that only these rows know: a group made anew under an old name has other ones, and so none
//! of the old events.

use std::sync::{Arc, OnceLock};

use portcullis_core::{AccountId, Arn, Region, Tags, Timestamp};
use portcullis_logs::{GroupId, StreamId};
use portcullis_policy::{Document, Kind};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{PolicyText, Record, Sealed};
use crate::world::snapshot::Snapshot;
use crate::world::table::Table;

/// The tables of CloudWatch Logs.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    /// By `REGION/NAME`.
    pub groups: Table<LogGroup>,
    /// By `REGION/GROUP:NAME`; neither name can have a colon.
    pub streams: Table<LogStream>,
    /// By [`ResourcePolicy::key_of`].
    pub resource_policies: Table<ResourcePolicy>,
    /// What the store of log events has to be told yet, by group id and kind.
    pub errands: Table<Errand>,
    /// What policies say together of the groups of a region that have none of their own, by region. Derived.
    together: Table<Together>,
    /// The same of those that have one, by ARN. Derived.
    together_of_group: Table<Together>,
}

impl Tables {
    /// The group of that name.
    pub fn group(&self, region: &Region, name: &str) -> Option<&LogGroup> {
        self.groups
            .get(&LogGroup::key_of(region, name))
            .map(AsRef::as_ref)
    }

    /// The stream of that name.
    pub fn stream(&self, region: &Region, group: &str, name: &str) -> Option<&LogStream> {
        let key = LogStream::key_of(region, group, name);
        self.streams.get(&key).map(AsRef::as_ref)
    }

    /// What the resource policies say together of a group; `None` when there are none.
    pub fn policy(&self, region: &Region, group: &Arn) -> Option<&PolicyText> {
        let of_group = self.together_of_group.get(group.as_str());
        let slot = of_group.or_else(|| self.together.get(region.as_str()))?;
        let said = || {
            let own = PolicyScope::Resource(group.clone());
            let own = self.resource_policies.get(&ResourcePolicy::key_of(region, &own));
            let of_account = format!("{region}/account/");
            let rows = self.resource_policies.prefix(&of_account).map(|(_, row)| row);
            Together::of(rows.chain(own))
        };
        slot.0.get_or_init(said).as_ref()
    }
}

/// What a log group is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LogGroupClass {
    /// Everything.
    Standard,
    /// Less, and cheaper.
    InfrequentAccess,
    /// Less, and cheaper.
    Essentials,
    /// One day, for deliveries.
    Delivery,
}

impl LogGroupClass {
    /// As the model writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::InfrequentAccess => "INFREQUENT_ACCESS",
            Self::Essentials => "ESSENTIALS",
            Self::Delivery => "DELIVERY",
        }
    }

    /// From the model's text; the default for none.
    pub fn parse(text: Option<&str>) -> Self {
        match text {
            Some("INFREQUENT_ACCESS") => Self::InfrequentAccess,
            Some("ESSENTIALS") => Self::Essentials,
            Some("DELIVERY") => Self::Delivery,
            _ => Self::Standard,
        }
    }
}

/// A log group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogGroup {
    /// Of this life of the name alone: what is made anew under an old name shows none of the old events.
    pub id: String,
    /// Where it is.
    pub region: Region,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub class: LogGroupClass,
    /// When it was made.
    pub created: Timestamp,
    /// How many days events stay; forever without.
    pub retention_days: Option<u32>,
    /// Whether it is kept from being deleted.
    pub is_protected: bool,
    /// The KMS key of events that come in from now on.
    #[serde(default)]
    pub kms_key: Option<GroupKey>,
    /// Whether it ever had one: some of its events may be under it.
    #[serde(default)]
    pub has_sealed_events: bool,
    /// Its tags.
    pub tags: Tags,
}

/// The KMS key of a group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GroupKey {
    /// Its ARN.
    pub key: Arn,
    /// The data key that events are under, as KMS encrypted it.
    pub data_key: Sealed,
}

impl LogGroup {
    /// `REGION/NAME`
    pub fn key_of(region: &Region, name: &str) -> String {
        format!("{region}/{name}")
    }

    /// `arn:aws:logs:REGION:ACCOUNT:log-group:NAME`
    pub fn arn_of(region: &Region, account: &AccountId, name: &str) -> Arn {
        Arn::regional("logs", region, account, format_args!("log-group:{name}"))
    }

    /// What the store of log events knows it by.
    pub fn stored_as(&self, account: &AccountId) -> GroupId {
        stored_group(account, &self.region, &self.id)
    }

    /// An errand about it.
    pub fn errand(&self, what: What) -> Errand {
        Errand {
            region: self.region.clone(),
            group_id: self.id.clone(),
            what,
        }
    }

    /// Since when events are kept, if not for ever.
    pub fn kept_since(&self, now: Timestamp) -> Option<Timestamp> {
        let days = i64::from(self.retention_days?);
        Some(now.plus_seconds(-days * 24 * 3_600))
    }
}

/// What the store of log events knows a group by.
pub fn stored_group(account: &AccountId, region: &Region, id: &str) -> GroupId {
    GroupId::new(account.as_str(), region.as_str(), id)
}

/// A log stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogStream {
    /// Of this life of the name alone.
    pub id: String,
    /// Where it is.
    pub region: Region,
    /// The name of its group.
    pub group: String,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
}

impl LogStream {
    /// What the store of log events knows it by: the name, so that it can be asked for by how it begins, and the id.
    pub fn stored_as(&self) -> StreamId {
        StreamId::new(&format!("{}:{}", self.name, self.id))
    }

    /// Whether it is what the store knows by that.
    pub fn is_stored_as(&self, stored: &str) -> bool {
        stored.split_once(':') == Some((&self.name, &self.id))
    }

    /// `REGION/GROUP:NAME`
    pub fn key_of(region: &Region, group: &str, name: &str) -> String {
        format!("{region}/{group}:{name}")
    }

    /// `arn:aws:logs:REGION:ACCOUNT:log-group:GROUP:log-stream:NAME`
    pub fn arn_of(region: &Region, account: &AccountId, group: &str, name: &str) -> Arn {
        let resource = format_args!("log-group:{group}:log-stream:{name}").to_string();
        Arn::regional("logs", region, account, resource)
    }
}

/// What the store of log events still has to be told of a change. Written with the change itself, and taken away when it was
/// done: so it is done also when the process ends in between.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Errand {
    /// Where the group is, or was.
    pub region: Region,
    /// The group's id.
    pub group_id: String,
    /// What is to be done.
    pub what: What,
}

/// What the store of log events is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// Forget all events of the group.
    ForgetGroup,
    /// Forget the events of the stream it knows by this.
    ForgetStream(String),
    /// Keep events for so many days, or for ever.
    Retain(Option<u32>),
}

/// Whose calls a resource policy is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PolicyScope {
    /// The whole account; its name.
    Account(String),
    /// One log group; its ARN.
    Resource(Arn),
}

/// A policy that lets services of AWS write logs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResourcePolicy {
    /// Where it is.
    pub region: Region,
    /// What it is about.
    pub scope: PolicyScope,
    /// The policy.
    pub document: PolicyText,
    /// When it was changed last.
    pub updated: Timestamp,
    /// Another one after every change.
    pub revision: String,
}

impl ResourcePolicy {
    /// `REGION/account/NAME` or `REGION/resource/ARN`
    pub fn key_of(region: &Region, scope: &PolicyScope) -> String {
        match scope {
            PolicyScope::Account(name) => format!("{region}/account/{name}"),
            PolicyScope::Resource(arn) => format!("{region}/resource/{arn}"),
        }
    }
}

impl Record for LogGroup {
    const KIND: &'static str = "logs-group";
    fn key(&self) -> String {
        Self::key_of(&self.region, &self.name)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.logs.groups
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.logs.groups
    }
}

impl Record for LogStream {
    const KIND: &'static str = "logs-stream";
    fn key(&self) -> String {
        Self::key_of(&self.region, &self.group, &self.name)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.logs.streams
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.logs.streams
    }
}

impl Record for Errand {
    const KIND: &'static str = "logs-errand";
    fn key(&self) -> String {
        let group = &self.group_id;
        match &self.what {
            What::ForgetGroup => format!("{group}/forget"),
            What::ForgetStream(stream) => format!("{group}/forget/{stream}"),
            What::Retain(_) => format!("{group}/retain"),
        }
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.logs.errands
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.logs.errands
    }
}

impl Record for ResourcePolicy {
    const KIND: &'static str = "logs-resource-policy";
    fn key(&self) -> String {
        Self::key_of(&self.region, &self.scope)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.logs.resource_policies
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.logs.resource_policies
    }
    fn reindex(snapshot: &mut Snapshot, before: Option<&Self>, after: Option<&Self>) {
        let Some(changed) = after.or(before) else {
            return;
        };
        let groups = LogGroup::arn_of(&changed.region, &snapshot.account, "");
        let (region, changed_key) = (&changed.region, changed.key());
        let tables = &mut snapshot.logs;
        let (table, key, is_left) = match &changed.scope {
            PolicyScope::Resource(arn) => (&mut tables.together_of_group, arn.as_str(), after.is_some()),
            PolicyScope::Account(_) => {
                let own = tables.together_of_group.prefix(groups.as_str());
                for key in own.map(|(key, _)| key.to_owned()).collect::<Vec<_>>() {
                    tables.together_of_group.insert(&key, Arc::default());
                }
                let of_account = format!("{region}/account/");
                let mut others = tables.resource_policies.prefix(&of_account);
                let is_left = after.is_some() || others.any(|(key, _)| key != changed_key);
                (&mut tables.together, region.as_str(), is_left)
            }
        };
        match is_left {
            true => table.insert(key, Arc::default()),
            false => table.remove(key),
        }
    }
}

/// What the policies of a region say together: of the groups without one of their own, or of one that has. Put together when
/// it is first asked, and kept until one of them changes.
#[derive(Debug, Default)]
struct Together(OnceLock<Option<PolicyText>>);

impl Together {
    fn of<'r>(rows: impl Iterator<Item = &'r Arc<ResourcePolicy>>) -> Option<PolicyText> {
        policy_of(rows.flat_map(|row| statements(row)).collect())
    }
}

/// Its statements, without their names: those are unique in one policy, not in several.
fn statements(policy: &ResourcePolicy) -> Vec<Value> {
    let document: Value = serde_json::from_str(policy.document.as_str()).unwrap_or_default();
    let mut statements = match document.get("Statement") {
        Some(Value::Array(several)) => several.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    for statement in statements.iter_mut().filter_map(Value::as_object_mut) {
        statement.remove("Sid");
    }
    statements
}

/// `None` only if what was checked when it came cannot be read any more: then nobody is let in.
fn policy_of(statements: Vec<Value>) -> Option<PolicyText> {
    let text = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
    let document = Document::parse(&text, Kind::Resource).ok()?;
    Some(PolicyText::new(&document))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, prop, prop_assert_eq, proptest};

    use super::*;

    const NAMES: u8 = 3;

    fn region() -> Region {
        "eu-west-1".parse().unwrap()
    }

    fn group(name: u8) -> Arn {
        LogGroup::arn_of(&region(), &"123456789012".parse().unwrap(), &name.to_string())
    }

    fn scope(is_of_account: bool, name: u8) -> PolicyScope {
        match is_of_account {
            true => PolicyScope::Account(name.to_string()),
            false => PolicyScope::Resource(group(name)),
        }
    }

    fn policy(scope: PolicyScope, action: u8) -> ResourcePolicy {
        let statement = json!({ "Effect": "Allow", "Principal": "*", "Action": format!("logs:{action}"), "Resource": "*" });
        ResourcePolicy {
            region: region(),
            scope,
            document: policy_of(vec![statement]).unwrap(),
            updated: Timestamp::default(),
            revision: String::new(),
        }
    }

    /// All rows looked at.
    fn naive(view: &Snapshot, group: &Arn) -> Option<String> {
        let rows = view.logs.resource_policies.iter().map(|(_, row)| row);
        let own = PolicyScope::Resource(group.clone());
        let speaks =
            |row: &&Arc<ResourcePolicy>| matches!(row.scope, PolicyScope::Account(_)) || row.scope == own;
        let rows: Vec<_> = rows.filter(speaks).collect();
        (!rows.is_empty()).then(|| Together::of(rows.into_iter()).unwrap().as_str().to_owned())
    }

    fn steps() -> impl Strategy<Value = Vec<(bool, u8, Option<u8>, bool)>> {
        let action = prop::option::of(0..4_u8);
        prop::collection::vec((prop::bool::ANY, 0..NAMES, action, prop::bool::ANY), 0..20)
    }

    proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(100))]
        #[test]
        fn what_policies_say_together_is_what_those_of_now_say(steps in steps()) {
            let mut view = Snapshot::empty("123456789012".parse().unwrap());
            for (is_of_account, name, action, looks) in steps {
                let scope = scope(is_of_account, name);
                let key = ResourcePolicy::key_of(&region(), &scope);
                let row = action.map(|action| Arc::new(policy(scope, action)));
                crate::world::tx::replace(&mut view, &key, row);
                for name in (0..NAMES).filter(|_| looks) {
                    let said = view.logs.policy(&region(), &group(name));
                    let said = said.map(|policy| policy.as_str().to_owned());
                    prop_assert_eq!(said, naive(&view, &group(name)));
                }
            }
        }
    }
}
