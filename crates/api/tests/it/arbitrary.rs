//! Any value of a schema, in the normal form. Rules (lengths, patterns, enumerations) are not kept.

use portcullis_wire::schema::{Schema, Structure};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Map, Value};

/// Any value of a structure: required members always, others with the chance of a coin.
pub fn structure(schema: &'static Structure) -> BoxedStrategy<Value> {
    let members: Vec<BoxedStrategy<Option<(String, Value)>>> = schema
        .members
        .iter()
        .map(|member| {
            let content = value(member.schema).prop_map(|value| (member.name.to_owned(), value));
            if member.required {
                content.prop_map(Some).boxed()
            } else {
                proptest::option::of(content).boxed()
            }
        })
        .collect();
    members
        .prop_map(|members| Value::Object(Map::from_iter(members.into_iter().flatten())))
        .boxed()
}

fn value(schema: &'static Schema) -> BoxedStrategy<Value> {
    match schema {
        Schema::Boolean => any::<bool>().prop_map(Value::from).boxed(),
        Schema::Integer(_) => any::<i32>().prop_map(Value::from).boxed(),
        Schema::Long(_) => any::<i64>().prop_map(Value::from).boxed(),
        Schema::Double(_) => any::<i32>().prop_map(|n| Value::from(f64::from(n) / 8.0)).boxed(),
        Schema::String(_) => text().prop_map(Value::from).boxed(),
        Schema::Timestamp => (0..4_000_000_000_000_i64)
            .prop_map(|ms| Value::from(seconds(ms)))
            .boxed(),
        Schema::Blob(_) => Just(Value::from("AAEC/w==")).boxed(),
        Schema::Document => Just(serde_json::json!({ "any": [1, null, "thing"] })).boxed(),
        Schema::List(list) => vec(value(list.member), 0..3).prop_map(Value::from).boxed(),
        Schema::Map(map) => btree_map(text(), value(map.value), 0..3)
            .prop_map(|entries| Value::Object(Map::from_iter(entries)))
            .boxed(),
        Schema::Structure(inner) => structure(inner),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of this millennium fit in 53 bits"
)]
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

/// Text that XML 1.0 can hold, too.
fn text() -> impl Strategy<Value = String> {
    let is_xml = |c: &char| *c >= ' ' && !('\u{fffe}'..='\u{ffff}').contains(c);
    vec(any::<char>().prop_filter("XML cannot hold it", is_xml), 0..5).prop_map(String::from_iter)
}
