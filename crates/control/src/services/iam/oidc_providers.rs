//! OpenID Connect providers: whose tokens AssumeRoleWithWebIdentity takes.

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_core::Arn;
use portcullis_wire::Empty;

use super::checks::{self, Checks, one};
use super::errors::IamError;
use super::tagging::{page, tagging, untagging};
use super::{quotas, shapes, tags};
use crate::federation::Endpoint;
use crate::gate::call::Call;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check, Row, read, write};
use crate::world::records::federation::OidcProvider;
use crate::world::{Snapshot, Tx};

/// Most audiences of a provider.
const CLIENT_IDS: usize = 100;
/// Most thumbprints of a provider.
const THUMBPRINTS: usize = 5;

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    [life(), changes(), tag_rows()].into_iter().flatten().collect()
}

fn life() -> Vec<Row> {
    vec![
        write::<op::CreateOpenIDConnectProvider>(
            &["iam:CreateOpenIDConnectProvider", "iam:TagOpenIDConnectProvider"],
            |ask| {
                let name = without_scheme(&ask.input.url);
                let check = Check::new("iam:CreateOpenIDConnectProvider", arn(ask.call, name).as_str());
                checks::creating(
                    check,
                    "iam:TagOpenIDConnectProvider",
                    false,
                    ask.input.tags.as_ref(),
                )
            },
            create,
        ),
        read::<op::GetOpenIDConnectProvider>(
            &["iam:GetOpenIDConnectProvider"],
            |ask| {
                on(
                    "iam:GetOpenIDConnectProvider",
                    &ask,
                    &ask.input.open_id_connect_provider_arn,
                )
            },
            get,
        ),
        read::<op::ListOpenIDConnectProviders>(
            &["iam:ListOpenIDConnectProviders"],
            |ask| {
                one(Check::new(
                    "iam:ListOpenIDConnectProviders",
                    arn(ask.call, "*").as_str(),
                ))
            },
            list,
        ),
        write::<op::DeleteOpenIDConnectProvider>(
            &["iam:DeleteOpenIDConnectProvider"],
            |ask| {
                on(
                    "iam:DeleteOpenIDConnectProvider",
                    &ask,
                    &ask.input.open_id_connect_provider_arn,
                )
            },
            delete,
        ),
    ]
}

fn changes() -> Vec<Row> {
    vec![
        write::<op::AddClientIDToOpenIDConnectProvider>(
            &["iam:AddClientIDToOpenIDConnectProvider"],
            |ask| {
                on(
                    "iam:AddClientIDToOpenIDConnectProvider",
                    &ask,
                    &ask.input.open_id_connect_provider_arn,
                )
            },
            add_client_id,
        ),
        write::<op::RemoveClientIDFromOpenIDConnectProvider>(
            &["iam:RemoveClientIDFromOpenIDConnectProvider"],
            |ask| {
                on(
                    "iam:RemoveClientIDFromOpenIDConnectProvider",
                    &ask,
                    &ask.input.open_id_connect_provider_arn,
                )
            },
            remove_client_id,
        ),
        write::<op::UpdateOpenIDConnectProviderThumbprint>(
            &["iam:UpdateOpenIDConnectProviderThumbprint"],
            |ask| {
                on(
                    "iam:UpdateOpenIDConnectProviderThumbprint",
                    &ask,
                    &ask.input.open_id_connect_provider_arn,
                )
            },
            update_thumbprints,
        ),
    ]
}

fn tag_rows() -> Vec<Row> {
    vec![
        write::<op::TagOpenIDConnectProvider>(
            &["iam:TagOpenIDConnectProvider"],
            |ask| {
                let named = &ask.input.open_id_connect_provider_arn;
                let check = check("iam:TagOpenIDConnectProvider", &ask, named);
                one(tagging(check, &ask.input.tags))
            },
            |tx, auth| {
                let mut provider = edit(tx.view(), &auth.input().open_id_connect_provider_arn)?;
                tags::add(&mut provider.tags, &tags::accept(Some(&auth.input().tags))?)?;
                tx.put(provider);
                Ok(Empty {})
            },
        ),
        write::<op::UntagOpenIDConnectProvider>(
            &["iam:UntagOpenIDConnectProvider"],
            |ask| {
                let named = &ask.input.open_id_connect_provider_arn;
                let check = check("iam:UntagOpenIDConnectProvider", &ask, named);
                one(untagging(check, &ask.input.tag_keys))
            },
            |tx, auth| {
                let mut provider = edit(tx.view(), &auth.input().open_id_connect_provider_arn)?;
                tags::remove(&mut provider.tags, &auth.input().tag_keys);
                tx.put(provider);
                Ok(Empty {})
            },
        ),
        read::<op::ListOpenIDConnectProviderTags>(
            &["iam:ListOpenIDConnectProviderTags"],
            |ask| {
                on(
                    "iam:ListOpenIDConnectProviderTags",
                    &ask,
                    &ask.input.open_id_connect_provider_arn,
                )
            },
            |view, _, auth| {
                let input = auth.input();
                let provider = find(view, &input.open_id_connect_provider_arn)?;
                let page = page(&provider.tags, input.marker.as_ref(), input.max_items)?;
                Ok(api::ListOpenIDConnectProviderTagsResponse {
                    is_truncated: page.is_truncated(),
                    tags: page.items,
                    marker: page.marker,
                })
            },
        ),
    ]
}

fn arn(call: &Call, name: &str) -> Arn {
    checks::arn(call, "oidc-provider", "/", name)
}

fn without_scheme(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, name)| name)
}

fn on(action: &'static str, ask: &Ask<'_, impl Sized>, named: &str) -> Checks {
    one(check(action, ask, named))
}

fn check(action: &'static str, ask: &Ask<'_, impl Sized>, named: &str) -> Check {
    let mut check = Check::new(action, named);
    if let Some(provider) = ask.view.oidc_providers.get(named) {
        check.context.insert_tags("aws:ResourceTag", &provider.tags);
    }
    check
}

fn find<'a>(view: &'a Snapshot, named: &str) -> Result<&'a OidcProvider, IamError> {
    let found = view.oidc_providers.get(named).map(AsRef::as_ref);
    found.ok_or_else(|| IamError::NoOidcProvider(named.to_owned()))
}

/// A copy to change.
fn edit(view: &Snapshot, named: &str) -> Result<OidcProvider, IamError> {
    find(view, named).cloned()
}

fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::CreateOpenIDConnectProvider>,
) -> Result<api::CreateOpenIDConnectProviderResponse, ServiceError> {
    let input = auth.input();
    if Endpoint::parse(&input.url).is_none() {
        return Err(IamError::Validation("Invalid Open ID Connect Provider URL".to_owned()).into());
    }
    let arn = arn(auth.call(), without_scheme(&input.url));
    if tx.view().oidc_providers.get(arn.as_str()).is_some() {
        return Err(IamError::OidcProviderExists(input.url.clone()).into());
    }
    quotas::OIDC_PROVIDERS.room(tx.view(), tx.view().oidc_providers.len())?;
    let mut client_ids = Vec::new();
    for id in input.client_id_list.iter().flatten() {
        add_once(&mut client_ids, id)?;
    }
    let provider = OidcProvider {
        arn: arn.clone(),
        url: input.url.clone(),
        client_ids,
        thumbprints: thumbprints(input.thumbprint_list.as_deref().unwrap_or_default())?,
        created: tx.now,
        tags: tags::accept(input.tags.as_ref())?,
    };
    let shown = (!provider.tags.is_empty()).then(|| shapes::tag_list(&provider.tags));
    tx.put(provider);
    Ok(api::CreateOpenIDConnectProviderResponse {
        open_id_connect_provider_arn: Some(arn.to_string()),
        tags: shown,
    })
}

fn thumbprints(given: &[String]) -> Result<Vec<String>, IamError> {
    if given.len() > THUMBPRINTS {
        let text = format!("Thumbprint list must contain fewer than {THUMBPRINTS} entries.");
        return Err(IamError::InvalidInput(text));
    }
    Ok(given.to_vec())
}

fn add_once(client_ids: &mut Vec<String>, id: &str) -> Result<(), IamError> {
    if client_ids.iter().any(|known| known == id) {
        return Ok(());
    }
    if client_ids.len() >= CLIENT_IDS {
        return Err(IamError::Quota("ClientIdsPerOpenIdConnectProvider", CLIENT_IDS));
    }
    client_ids.push(id.to_owned());
    Ok(())
}

fn get(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::GetOpenIDConnectProvider>,
) -> Result<api::GetOpenIDConnectProviderResponse, ServiceError> {
    let provider = find(view, &auth.input().open_id_connect_provider_arn)?;
    Ok(api::GetOpenIDConnectProviderResponse {
        url: Some(provider.name().to_owned()),
        client_id_list: Some(provider.client_ids.clone()),
        thumbprint_list: Some(provider.thumbprints.clone()),
        create_date: Some(provider.created),
        tags: Some(shapes::tag_list(&provider.tags)),
    })
}

fn list(
    view: &Snapshot,
    _env: &Environment,
    _auth: Authorized<'_, op::ListOpenIDConnectProviders>,
) -> Result<api::ListOpenIDConnectProvidersResponse, ServiceError> {
    let entries = view.oidc_providers.iter().map(|(arn, _)| {
        let arn = Some(arn.to_owned());
        api::OpenIDConnectProviderListEntry { arn }
    });
    Ok(api::ListOpenIDConnectProvidersResponse {
        open_id_connect_provider_list: Some(entries.collect()),
    })
}

/// Deleting what is not there does no harm.
fn delete(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::DeleteOpenIDConnectProvider>,
) -> Result<Empty, ServiceError> {
    tx.delete::<OidcProvider>(&auth.input().open_id_connect_provider_arn);
    Ok(Empty {})
}

fn add_client_id(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::AddClientIDToOpenIDConnectProvider>,
) -> Result<Empty, ServiceError> {
    let mut provider = edit(tx.view(), &auth.input().open_id_connect_provider_arn)?;
    add_once(&mut provider.client_ids, &auth.input().client_id)?;
    tx.put(provider);
    Ok(Empty {})
}

/// Removing an audience that is not there does no harm.
fn remove_client_id(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::RemoveClientIDFromOpenIDConnectProvider>,
) -> Result<Empty, ServiceError> {
    let mut provider = edit(tx.view(), &auth.input().open_id_connect_provider_arn)?;
    provider.client_ids.retain(|id| *id != auth.input().client_id);
    tx.put(provider);
    Ok(Empty {})
}

fn update_thumbprints(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::UpdateOpenIDConnectProviderThumbprint>,
) -> Result<Empty, ServiceError> {
    let mut provider = edit(tx.view(), &auth.input().open_id_connect_provider_arn)?;
    provider.thumbprints = thumbprints(&auth.input().thumbprint_list)?;
    tx.put(provider);
    Ok(Empty {})
}
