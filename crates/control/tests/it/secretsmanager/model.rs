//! Versions and labels, against a naive model: a list of versions, each with its value and a set of labels.

use std::collections::BTreeSet;

use portcullis_api::secretsmanager::op;
use proptest::prelude::{Strategy, any, prop, prop_oneof, proptest};
use serde_json::{Value, json};

use super::{input, token};
use crate::harness::{Client, Server};

const LABELS: [&str; 5] = ["AWSCURRENT", "AWSPENDING", "AWSPREVIOUS", "a", "b"];

#[derive(Debug, Clone)]
enum Step {
    Put {
        version: u8,
        value: u8,
        labels: Option<Vec<usize>>,
    },
    Update {
        version: u8,
        value: u8,
    },
    Move {
        label: usize,
        from: Option<u8>,
        to: Option<u8>,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let version = || 0..6_u8;
    let labels = prop::option::of(prop::collection::btree_set(0..LABELS.len(), 1..3));
    let labels = labels.prop_map(|labels| labels.map(|labels| labels.into_iter().collect()));
    let step = prop_oneof![
        4 => (version(), 0..2_u8, labels).prop_map(|(version, value, labels)| Step::Put { version, value, labels }),
        2 => (version(), 0..2_u8).prop_map(|(version, value)| Step::Update { version, value }),
        4 => (0..LABELS.len(), prop::option::of(version()), prop::option::of(version()))
            .prop_map(|(label, from, to)| Step::Move { label, from, to }),
    ];
    prop::collection::vec(step, 1..30)
}

#[derive(Debug, Clone)]
struct Version {
    id: String,
    value: String,
    labels: BTreeSet<&'static str>,
}

/// What AWS's page says, written down as it stands there.
#[derive(Debug, Default, Clone)]
struct Model(Vec<Version>);

impl Model {
    fn holder(&self, label: &str) -> Option<String> {
        let found = self.0.iter().find(|version| version.labels.contains(label));
        found.map(|version| version.id.clone())
    }

    fn put_on(&mut self, label: &'static str, id: &str) {
        let before = self.holder(label);
        for version in &mut self.0 {
            version.labels.remove(label);
        }
        for version in &mut self.0 {
            if version.id == id {
                version.labels.insert(label);
            }
        }
        if let Some(before) = before.filter(|before| label == "AWSCURRENT" && before != id) {
            self.put_on("AWSPREVIOUS", &before);
        }
    }

    /// Whether the call succeeds.
    fn put(&mut self, id: &str, value: &str, labels: Option<Vec<&'static str>>) -> bool {
        if let Some(there) = self.0.iter().find(|version| version.id == id) {
            return there.value == value;
        }
        let is_first = self.holder("AWSCURRENT").is_none();
        let version = Version {
            id: id.to_owned(),
            value: value.to_owned(),
            labels: BTreeSet::new(),
        };
        self.0.push(version);
        for label in labels.iter().flatten() {
            self.put_on(label, id);
        }
        if labels.is_none() || is_first {
            self.put_on("AWSCURRENT", id);
        }
        true
    }

    fn relabel(&mut self, label: &'static str, from: Option<&str>, to: Option<&str>) -> bool {
        let exists = |id: &str| self.0.iter().any(|version| version.id == id);
        let holder = self.holder(label);
        if [from, to].into_iter().flatten().any(|id| !exists(id)) || (from.is_none() && to.is_none()) {
            return false;
        }
        if from.is_some() && from != holder.as_deref() {
            return false;
        }
        match to {
            None if label == "AWSCURRENT" => false,
            None => {
                self.0.iter_mut().for_each(|version| {
                    version.labels.remove(label);
                });
                true
            }
            Some(to) if from.is_none() && holder.as_deref().is_some_and(|holder| holder != to) => false,
            Some(to) => {
                self.put_on(label, to);
                true
            }
        }
    }

    fn shown(&self) -> Value {
        let rows = self.0.iter().filter(|version| !version.labels.is_empty());
        let rows = rows.map(|version| (version.id.clone(), json!(version.labels)));
        let map: serde_json::Map<_, _> = rows.collect();
        if map.is_empty() {
            Value::Null
        } else {
            Value::Object(map)
        }
    }
}

fn id(version: u8) -> String {
    token(&format!("v{version}"))
}

async fn run(root: &Client, name: &str, step: &Step, model: &mut Model) {
    let (done, expected) = match step {
        Step::Put {
            version,
            value,
            labels,
        } => {
            let labels = labels
                .as_ref()
                .map(|labels| labels.iter().map(|at| LABELS[*at]).collect::<Vec<_>>());
            let call = json!({ "SecretId": name, "SecretString": format!("{value}"), "ClientRequestToken": id(*version), "VersionStages": labels });
            let done = root
                .call::<op::PutSecretValue>(&input::<op::PutSecretValue>(&call))
                .await
                .is_ok();
            (done, model.put(&id(*version), &value.to_string(), labels))
        }
        Step::Update { version, value } => {
            let call = json!({ "SecretId": name, "SecretString": format!("{value}"), "ClientRequestToken": id(*version) });
            let done = root
                .call::<op::UpdateSecret>(&input::<op::UpdateSecret>(&call))
                .await
                .is_ok();
            (done, model.put(&id(*version), &value.to_string(), None))
        }
        Step::Move { label, from, to } => {
            let (label, from, to) = (LABELS[*label], from.map(id), to.map(id));
            let call = json!({ "SecretId": name, "VersionStage": label, "RemoveFromVersionId": from, "MoveToVersionId": to });
            let done = root
                .call::<op::UpdateSecretVersionStage>(&input::<op::UpdateSecretVersionStage>(&call))
                .await
                .is_ok();
            (done, model.relabel(label, from.as_deref(), to.as_deref()))
        }
    };
    assert_eq!(done, expected, "{step:?} on {model:?}");
}

async fn compare(root: &Client, name: &str, model: &Model) {
    let described = super::ok::<op::DescribeSecret>(root, json!({ "SecretId": name })).await;
    assert_eq!(described["VersionIdsToStages"], model.shown());
    for version in &model.0 {
        for label in &version.labels {
            assert_eq!(
                super::text(root, name, label).await,
                json!(version.value),
                "{label}"
            );
        }
    }
}

#[test]
fn versions_and_labels_are_as_in_the_naive_model() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let server = runtime.block_on(Server::start());
    let root = &server.root;
    proptest!(proptest::prelude::ProptestConfig::with_cases(48), |(steps in steps(), number in any::<u64>())| {
        runtime.block_on(async {
            let name = format!("s{number}");
            super::ok::<op::CreateSecret>(root, json!({ "Name": name })).await;
            let mut model = Model::default();
            for step in &steps {
                run(root, &name, step, &mut model).await;
                compare(root, &name, &model).await;
            }
            super::ok::<op::DeleteSecret>(root, json!({ "SecretId": name, "ForceDeleteWithoutRecovery": true })).await;
        });
    });
}
