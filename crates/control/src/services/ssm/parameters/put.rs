//! PutParameter.

use portcullis_api::ssm::op;
use portcullis_api::ssm::{PutParameterRequest, PutParameterResult};
use portcullis_core::Tags;

use super::errors::ParameterError;
use super::names::{Asked, row};
use super::rules::{self, Policies};
use super::sealing::{self, SECURE};
use crate::gate::call::Call;
use crate::gate::context::{add_request_tags, add_resource_tags};
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ssm::tags;
use crate::world::records::parameters::{Parameter, ParameterVersion, Tier};
use crate::world::{Snapshot, Tx};

/// Versions a parameter keeps.
const VERSIONS: usize = 100;
/// Standard parameters a region may have.
const STANDARD: usize = 10_000;
/// Advanced parameters a region may have.
const ADVANCED: usize = 100_000;
/// Characters a standard parameter may have.
const STANDARD_BYTES: usize = 4_096;
/// Tags a parameter may have.
pub(super) const TAGS: usize = 50;
/// The one data type that is here.
pub(super) const TEXT: &str = "text";

/// The parameter, the right to tag it, and the use of its key.
pub(super) fn require(ask: Ask<'_, PutParameterRequest>) -> Result<Vec<Check>, ServiceError> {
    let (input, call, view) = (ask.input, ask.call, ask.view);
    let asked = Asked::of(view, call, &input.name);
    let mut check = asked
        .check(view, call, "ssm:PutParameter")
        .with("ssm:Overwrite", input.overwrite.unwrap_or_default().to_string())
        .with_some("ssm:Policies", input.policies.clone());
    let tags = tags::requested(input.tags.as_ref());
    add_request_tags(&mut check.context, &tags);
    let mut checks = vec![check];
    if !tags.is_empty() {
        let mut tagging = Check::new("ssm:AddTagsToResource", asked.arn.as_str());
        add_request_tags(&mut tagging.context, &tags);
        add_resource_tags(&mut tagging.context, "ssm", &tags);
        checks.push(tagging);
    }
    let there = row(view, call, &asked.name).map(AsRef::as_ref);
    if kind(input, there) == Some(SECURE) {
        let key = input.key_id.as_ref();
        checks.push(sealing::to_seal(
            view,
            call,
            &asked.name,
            key,
            tier(view, call, input, there),
        )?);
    }
    Ok(checks)
}

fn kind<'a>(input: &'a PutParameterRequest, there: Option<&'a Parameter>) -> Option<&'a str> {
    input.r#type.as_deref().or(there.map(|there| there.kind.as_str()))
}

/// The tier that a request comes to. Intelligent-Tiering takes Advanced where Standard would not do.
fn tier(view: &Snapshot, call: &Call, input: &PutParameterRequest, there: Option<&Parameter>) -> Tier {
    let present = there.map(|there| there.tier);
    let needs_advanced = input.value.len() > STANDARD_BYTES
        || input.policies.is_some()
        || (there.is_none() && view.parameters.count(&call.region, Tier::Standard) >= STANDARD);
    match input.tier.as_deref() {
        Some("Advanced") => Tier::Advanced,
        Some("Intelligent-Tiering") if needs_advanced || present == Some(Tier::Advanced) => Tier::Advanced,
        Some(_) => Tier::Standard,
        None => present.unwrap_or(Tier::Standard),
    }
}

/// Makes a parameter, or a new version of it.
pub(super) fn put(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::PutParameter>,
) -> Result<PutParameterResult, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let name = new_name(tx.view(), call, input)?;
    let there = row(tx.view(), call, &name).cloned();
    let there = there.as_deref();
    let tier = check(tx.view(), call, input, there)?;
    let wish = Wish::of(tx, input, there, tier)?;
    let mut parameter = match there {
        Some(there) => Parameter::clone(there),
        None => {
            super::delete::forget(tx, &Parameter::key_of(&call.region, &name));
            Parameter {
                name: name.clone(),
                region: call.region.clone(),
                kind: input.r#type.clone().ok_or(ParameterError::NoType)?,
                tier,
                latest: 0,
                labels: std::collections::BTreeMap::new(),
                expires: None,
                tags: accepted_tags(&Tags::new(), input)?,
            }
        }
    };
    parameter.tier = tier;
    parameter.latest += 1;
    if let Some(policies) = &wish.policies {
        parameter.expires = policies.expires;
    }
    make_room(tx, &parameter)?;
    let version = wish.version(tx, call, &parameter, input)?;
    let reply = PutParameterResult {
        version: Some(parameter.latest),
        tier: Some(tier.as_str().to_owned()),
    };
    tx.put(version);
    tx.put(parameter);
    Ok(reply)
}

/// A new parameter is called by its name; what is there may be called by its ARN too.
fn new_name(view: &Snapshot, call: &Call, input: &PutParameterRequest) -> Result<String, ParameterError> {
    let asked = Asked::of(view, call, &input.name);
    if asked.selector.is_some() || (asked.shown != asked.name && asked.find(view, call).is_none()) {
        return Err(ParameterError::Name);
    }
    rules::check_name(&asked.name)?;
    Ok(asked.name)
}

/// Whether the request may be done to what is there.
fn check(
    view: &Snapshot,
    call: &Call,
    input: &PutParameterRequest,
    there: Option<&Parameter>,
) -> Result<Tier, ParameterError> {
    let overwrites = input.overwrite.unwrap_or_default();
    if overwrites && input.tags.as_ref().is_some_and(|tags| !tags.is_empty()) {
        return Err(ParameterError::TagsAndOverwrite);
    }
    if there.is_some() && !overwrites {
        return Err(ParameterError::Exists);
    }
    let kind = kind(input, there).ok_or(ParameterError::NoType)?;
    if there.is_some_and(|there| there.kind != kind) {
        return Err(ParameterError::OtherType);
    }
    if kind != SECURE && input.key_id.is_some() {
        return Err(ParameterError::KeyOfPlain);
    }
    match input.data_type.as_deref() {
        None | Some(TEXT | "") => {}
        Some(other) => return Err(ParameterError::DataType(other.to_owned())),
    }
    let tier = tier(view, call, input, there);
    if tier == Tier::Standard && there.is_some_and(|there| there.tier == Tier::Advanced) {
        return Err(ParameterError::Downgrade);
    }
    rules::check_size(&input.value, tier)?;
    let is_new = there.is_none_or(|there| there.tier != tier);
    let (quota, word) = match tier {
        Tier::Standard => (STANDARD, "standard"),
        Tier::Advanced => (ADVANCED, "advanced"),
    };
    match is_new && view.parameters.count(&call.region, tier) >= quota {
        true => Err(ParameterError::TooMany(word)),
        false => Ok(tier),
    }
}

/// What the new version says beside its value. What a request leaves out stays as the version before has it.
struct Wish {
    description: Option<String>,
    allowed_pattern: Option<String>,
    /// New policies, if the request has some.
    policies: Option<Policies>,
    before: Option<ParameterVersion>,
}

impl Wish {
    fn of(
        tx: &Tx<'_>,
        input: &PutParameterRequest,
        there: Option<&Parameter>,
        tier: Tier,
    ) -> Result<Self, ParameterError> {
        let before = there.and_then(|there| tx.view().parameters.version(there, there.latest));
        let before = before.map(|before| ParameterVersion::clone(before));
        let policies = input.policies.as_deref();
        let policies = policies.map(|text| rules::policies(text, tx.now)).transpose()?;
        let has_some = policies.as_ref().is_some_and(|policies| !policies.all.is_empty());
        if has_some && tier == Tier::Standard {
            return Err(ParameterError::PoliciesOfStandard);
        }
        let old = before.as_ref();
        let of_before = old.and_then(|before| before.allowed_pattern.clone());
        let allowed_pattern = input.allowed_pattern.clone().or(of_before);
        let allowed_pattern = allowed_pattern.filter(|pattern| !pattern.is_empty());
        if let Some(pattern) = &allowed_pattern {
            rules::check_pattern(&input.value, pattern)?;
        }
        let of_before = old.and_then(|before| before.description.clone());
        Ok(Self {
            description: input.description.clone().or(of_before),
            allowed_pattern,
            policies,
            before,
        })
    }

    fn version(
        self,
        tx: &mut Tx<'_>,
        call: &Call,
        parameter: &Parameter,
        input: &PutParameterRequest,
    ) -> Result<ParameterVersion, ServiceError> {
        let (name, number) = (&parameter.name, parameter.latest);
        let is_secure = parameter.kind == SECURE;
        let key = input.key_id.as_ref().filter(|_| is_secure);
        let value = if is_secure {
            sealing::seal_secure(tx, call, name, key, parameter.tier, &input.value)?
        } else {
            let key = ParameterVersion::key_of(&parameter.region, name, number);
            sealing::seal_plain(tx.vault, &key, &input.value)?
        };
        let of_before = || self.before.map(|before| before.policies).unwrap_or_default();
        Ok(ParameterVersion {
            region: parameter.region.clone(),
            name: name.clone(),
            number,
            value,
            key_id: is_secure.then(|| key.cloned().unwrap_or_else(|| "alias/aws/ssm".to_owned())),
            description: self.description,
            allowed_pattern: self.allowed_pattern,
            tier: parameter.tier,
            policies: self.policies.map_or_else(of_before, |policies| policies.all),
            modified: tx.now,
            modified_by: call.caller.arn(),
        })
    }
}

fn accepted_tags(before: &Tags, input: &PutParameterRequest) -> Result<Tags, ParameterError> {
    let more = tags::checked(input.tags.as_ref()).map_err(|_| ParameterError::Tags)?;
    let mut all = before.clone();
    more.iter().for_each(|tag| all.set(tag.clone()));
    match all.len() > TAGS {
        true => Err(ParameterError::Tags),
        false => Ok(all),
    }
}

/// Removes the oldest version when there are as many as a parameter keeps, unless a label holds it.
fn make_room(tx: &mut Tx<'_>, parameter: &Parameter) -> Result<(), ParameterError> {
    let versions: Vec<_> = tx.view().parameters.versions_of(parameter).collect();
    let Some(oldest) = versions.first().filter(|_| versions.len() >= VERSIONS) else {
        return Ok(());
    };
    let number = oldest.number;
    if parameter.labels.values().any(|labelled| *labelled == number) {
        return Err(ParameterError::OldestHasLabel {
            name: parameter.name.clone(),
            version: number,
        });
    }
    let key = ParameterVersion::key_of(&parameter.region, &parameter.name, number);
    tx.delete::<ParameterVersion>(&key);
    Ok(())
}
