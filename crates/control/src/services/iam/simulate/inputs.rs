//! The policies a simulation is given.

use portcullis_api::iam as api;
use portcullis_policy::{Document, Kind};

use crate::services::iam::errors::IamError;

/// A policy with the name results give it, such as `PolicyInputList.1`.
pub(super) type Named = (String, Document);

/// All policies of a request.
pub(super) struct Inputs {
    /// Identity-based policies.
    pub identity: Vec<Named>,
    /// The permissions boundary.
    pub boundary: Option<Named>,
    /// The resource's policy.
    pub resource: Option<Named>,
    /// Service control policies, level by level.
    pub levels: Vec<Vec<Named>>,
}

impl Inputs {
    /// Those of SimulateCustomPolicy.
    pub fn of_custom(input: &api::SimulateCustomPolicyRequest) -> Result<Self, IamError> {
        let levels = input
            .ordered_organization_policy_input_list
            .as_deref()
            .unwrap_or_default();
        let levels = levels.iter().map(|level| {
            let texts = level
                .service_control_policy_input_list
                .as_deref()
                .unwrap_or_default();
            parse_all("ServiceControlPolicyInputList", texts, Kind::ServiceControl)
        });
        Ok(Self {
            identity: identity(&input.policy_input_list)?,
            boundary: boundary(input.permissions_boundary_policy_input_list.as_ref())?,
            resource: resource(input.resource_policy.as_ref())?,
            levels: levels.collect::<Result<_, _>>()?,
        })
    }

    /// Those of SimulatePrincipalPolicy.
    pub fn of_principal(input: &api::SimulatePrincipalPolicyRequest) -> Result<Self, IamError> {
        Ok(Self {
            identity: identity(input.policy_input_list.as_deref().unwrap_or_default())?,
            boundary: boundary(input.permissions_boundary_policy_input_list.as_ref())?,
            resource: resource(input.resource_policy.as_ref())?,
            levels: Vec::new(),
        })
    }

    /// Every document.
    pub fn documents(&self) -> impl Iterator<Item = &Document> {
        let single = self.boundary.iter().chain(&self.resource);
        let all = self
            .identity
            .iter()
            .chain(single)
            .chain(self.levels.iter().flatten());
        all.map(|(_, document)| document)
    }
}

/// The identity-based policies of a request.
pub(super) fn identity(texts: &[String]) -> Result<Vec<Named>, IamError> {
    let named = (1_usize..).zip(texts).map(|(number, text)| {
        let document = Document::parse(text, Kind::Identity).map_err(|_| {
            IamError::InvalidInput(format!("Policy input list item {number} has invalid content"))
        })?;
        Ok((format!("PolicyInputList.{number}"), document))
    });
    named.collect()
}

fn boundary(texts: Option<&Vec<String>>) -> Result<Option<Named>, IamError> {
    let texts = texts.map(Vec::as_slice).unwrap_or_default();
    let mut parsed = parse_all("PermissionsBoundaryPolicyInputList", texts, Kind::Boundary)?;
    if parsed.len() > 1 {
        let text = "Only one permissions boundary policy can be simulated.";
        return Err(IamError::InvalidInput(text.to_owned()));
    }
    Ok(parsed.pop())
}

fn resource(text: Option<&String>) -> Result<Option<Named>, IamError> {
    let Some(text) = text else { return Ok(None) };
    Ok(Some(("ResourcePolicy".to_owned(), parse(text, Kind::Resource)?)))
}

fn parse_all(list: &str, texts: &[String], kind: Kind) -> Result<Vec<Named>, IamError> {
    let named = texts.iter().enumerate().map(|(index, text)| {
        let document = parse(text, kind)?;
        Ok((format!("{list}.{}", index + 1), document))
    });
    named.collect()
}

fn parse(text: &str, kind: Kind) -> Result<Document, IamError> {
    Document::parse(text, kind).map_err(|malformed| IamError::InvalidInput(malformed.to_string()))
}
