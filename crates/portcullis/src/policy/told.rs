//! Requests of the analysis, as people and programs read them.

use portcullis_analysis::{Place, Witness};
use serde_json::{Value, json};

/// Prints a request, one line for each part.
pub fn witness(witness: &Witness) {
    let others = match witness.other_actions.as_slice() {
        [] => String::new(),
        [one] => format!(" (or {one})"),
        many => format!(
            " (or one of {} more, such as {})",
            many.len(),
            many.first().map_or("", String::as_str)
        ),
    };
    let unknown = if witness.action_is_known {
        ""
    } else {
        ", which the service reference does not know"
    };
    crate::say(&format!("  action      {}{unknown}{others}", witness.action));
    crate::say(&format!("  resource    {}", witness.resource));
    crate::say(&format!("  caller      {}", witness.principal.name()));
    for (key, value) in witness.context.iter() {
        crate::say(&format!("  key         {key} = {}", value.values().join(", ")));
    }
}

/// Names statements.
pub fn places(places: &[Place]) -> String {
    let names: Vec<String> = places.iter().map(ToString::to_string).collect();
    names.join(", ")
}

/// The same for programs.
pub fn witness_as_json(witness: &Witness) -> Value {
    json!({
        "principal": witness.principal.name(),
        "action": witness.action,
        "actionIsKnown": witness.action_is_known,
        "otherActions": witness.other_actions,
        "resource": witness.resource,
        "context": witness.context,
        "allowedBy": places_as_json(&witness.allowed_by),
        "deniedBy": places_as_json(&witness.denied_by),
    })
}

fn places_as_json(places: &[Place]) -> Vec<Value> {
    let one = |place: &Place| {
        json!({
            "policy": place.policy,
            "statement": place.index,
            "sid": place.sid,
            "start": place.span.start,
            "end": place.span.end,
        })
    };
    places.iter().map(one).collect()
}
