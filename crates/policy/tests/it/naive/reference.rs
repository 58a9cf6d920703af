//! Which condition keys exist for an action (R112), read from the service authorisation reference itself.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::OnceLock;

use serde_json::{Value as Json, json};

/// What the reference says, all in lower case.
struct Reference {
    /// Who owns a key's prefix: `ecs`, `accounts.google.com`.
    prefixes: HashSet<String>,
    /// Every action with the keys listed for it and for its resource types.
    actions: HashMap<String, Vec<String>>,
}

/// Whether a key can be present for an action: global keys and keys of nobody always; a service's keys where the
/// reference lists them for the action or one of its resource types. An action the reference does not know may have all.
pub fn applies(action: &str, key: &str) -> bool {
    let (action, key) = (action.to_lowercase(), key.to_lowercase());
    let reference = reference();
    let Some((prefix, _)) = key.split_once(':') else {
        return true;
    };
    if prefix == "aws" || !reference.prefixes.contains(prefix) {
        return true;
    }
    let Some(listed) = reference.actions.get(&action) else {
        return true;
    };
    // R166: the service's own `ResourceTag/K` is another name of `aws:ResourceTag/K`.
    let service = action.split(':').next().unwrap_or_default();
    let tag = key.strip_prefix(&format!("{service}:resourcetag/"));
    let alias = tag.map(|tag| format!("aws:resourcetag/{tag}"));
    listed
        .iter()
        .any(|form| is_form_of(form, &key) || alias.as_ref().is_some_and(|alias| is_form_of(form, alias)))
}

/// Whether a text has a listed form such as `ecs:resourcetag/${tagkey}`, where a name in braces is any text.
fn is_form_of(form: &str, text: &str) -> bool {
    let Some((before, rest)) = form.split_once("${") else {
        return form == text;
    };
    let after = rest.split_once('}').map_or("", |(_, after)| after);
    let Some(text) = text.strip_prefix(before) else {
        return false;
    };
    (0..=text.len()).any(|at| text.get(at..).is_some_and(|rest| is_form_of(after, rest)))
}

/// The reference, read when it is first needed.
fn reference() -> &'static Reference {
    static REFERENCE: OnceLock<Reference> = OnceLock::new();
    REFERENCE.get_or_init(|| {
        // Up from the package that runs this: the crate itself, or its fuzz targets.
        let packages = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        let mut paths = packages.map(|folder| folder.join("models/authz-reference.json"));
        let path = paths
            .find(|path| path.exists())
            .expect("the reference in models/");
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        read(&serde_json::from_str(&text).expect("JSON"))
    })
}

fn read(json: &Json) -> Reference {
    let services = json["services"].as_object().expect("services");
    let owners = json["key_prefix_owner"].as_object().expect("prefixes");
    let mut actions = HashMap::new();
    for (prefix, service) in services {
        for (name, action) in service["a"].as_object().into_iter().flatten() {
            let mut keys = texts(&action["k"]);
            for (resource_type, limited) in action["r"].as_object().into_iter().flatten() {
                keys.extend(texts(&limited["k"]));
                keys.extend(texts(&service["r"][resource_type]["k"]));
            }
            actions.insert(format!("{prefix}:{name}").to_lowercase(), keys);
        }
    }
    Reference {
        // Claims of identity providers belong to sessions, whatever these do (R109).
        prefixes: services
            .keys()
            .chain(
                owners
                    .iter()
                    .filter(|(_, owner)| **owner != json!(["sts"]))
                    .map(|(prefix, _)| prefix),
            )
            .map(|prefix| prefix.to_lowercase())
            .collect(),
        actions,
    }
}

/// Some pages write the tag's key as `tag-key`.
fn texts(list: &Json) -> Vec<String> {
    let texts = list.as_array().into_iter().flatten().filter_map(Json::as_str);
    texts
        .map(|text| text.to_lowercase().replace("/tag-key", "/${tagkey}"))
        .collect()
}
