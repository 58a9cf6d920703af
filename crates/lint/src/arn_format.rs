//! The ARN formats of all resource types, ready to be held against patterns.

use std::collections::HashMap;
use std::sync::LazyLock;

use portcullis_policy::syntax::Token;
use portcullis_reference::ResourceTypeId;

use crate::glob::{self, Class, Step};

const ECS: &str = "ecs";

static FORMATS: LazyLock<Formats> = LazyLock::new(Formats::build);

struct Formats {
    /// By resource type.
    steps: Vec<Vec<Step>>,
    /// By the service field of the ARN.
    by_service: HashMap<&'static str, Vec<ResourceTypeId>>,
}

impl Formats {
    fn build() -> Self {
        let mut formats = Self {
            steps: Vec::with_capacity(ResourceTypeId::COUNT),
            by_service: HashMap::new(),
        };
        for resource_type in ResourceTypeId::all() {
            let text = resource_type.arn_format();
            let is_ecs = resource_type.service().prefix() == ECS;
            formats.steps.push(parse(text, is_ecs));
            let service = service_field(text);
            // The short task ARNs that Systems Manager lists are no longer made by Amazon ECS.
            let is_foreign_task = service == Some(ECS) && !is_ecs;
            if let (Some(service), false) = (service, is_foreign_task) {
                formats.by_service.entry(service).or_default().push(resource_type);
            }
        }
        formats
    }
}

fn service_field(format: &'static str) -> Option<&'static str> {
    format.split(':').nth(2).filter(|field| !field.contains("${"))
}

/// The resource types whose ARNs have this service field.
pub(crate) fn types_of(service_field: &str) -> impl Iterator<Item = ResourceTypeId> + Clone {
    let known = FORMATS.by_service.get(service_field);
    known.map(Vec::as_slice).unwrap_or_default().iter().copied()
}

/// Every service field ARNs have.
pub(crate) fn service_fields() -> impl Iterator<Item = &'static str> {
    FORMATS.by_service.keys().copied()
}

pub(crate) fn is_service_field(text: &str) -> bool {
    FORMATS.by_service.contains_key(text)
}

/// Whether some resource of the type has an ARN the pattern matches.
pub(crate) fn can_name(pattern: &[Token], resource_type: ResourceTypeId) -> bool {
    FORMATS
        .steps
        .get(resource_type.index())
        .is_none_or(|format| glob::can_meet(pattern, format))
}

/// `arn:${Partition}:ecs:${Region}:${Account}:task/${ClusterName}/${TaskId}` as steps. A placeholder stands for at least one
/// character; before the fifth colon it holds none. Names of Amazon ECS and buckets hold neither colon nor slash.
fn parse(format: &str, strict_names: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut field = 1;
    let mut rest = format;
    while let Some(c) = rest.chars().next() {
        if let Some((name, after)) = rest.strip_prefix("${").and_then(|rest| rest.split_once('}')) {
            let class = match field {
                6 if strict_names || name == "BucketName" => Class::Name,
                6 => Class::Any,
                _ => Class::NoColon,
            };
            steps.extend([Step::One(class), Step::Run(class)]);
            rest = after;
            continue;
        }
        if c == ':' && field < 6 {
            field += 1;
        }
        steps.push(if field < 6 {
            Step::Folded(c.to_ascii_lowercase())
        } else {
            Step::Literal(c)
        });
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    steps
}
