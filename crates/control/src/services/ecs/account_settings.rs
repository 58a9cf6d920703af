//! Account settings (ecs.md 4), kept per region and principal.

use portcullis_api::ecs::op::{
    DeleteAccountSetting, ListAccountSettings, PutAccountSetting, PutAccountSettingDefault,
};
use portcullis_api::ecs::{
    DeleteAccountSettingRequest, DeleteAccountSettingResponse, ListAccountSettingsRequest,
    ListAccountSettingsResponse, PutAccountSettingDefaultRequest, PutAccountSettingDefaultResponse,
    PutAccountSettingRequest, PutAccountSettingResponse, Setting,
};
use portcullis_core::Arn;

use super::errors::EcsError;
use super::paging::{Pager, SETTINGS};
use crate::gate::call::Call;
use crate::gate::caller::Identity;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::records::ecs::AccountSetting;
use crate::world::{Snapshot, Tx};

/// A setting there is, with the values it can have here; the first is the service's default.
struct Known {
    name: &'static str,
    values: &'static [&'static str],
}

const fn known(name: &'static str, values: &'static [&'static str]) -> Known {
    Known { name, values }
}

/// In order of their names. Long ARNs and authorised tagging cannot be turned off; settings of what this server does
/// not have keep their default (docs/fidelity.md).
const KNOWN: [Known; 12] = [
    known("awsvpcTrunking", &["disabled"]),
    known("containerInsights", &["disabled", "enabled", "enhanced"]),
    known("containerInstanceLongArnFormat", &["enabled"]),
    known("defaultLogDriverMode", &["non-blocking", "blocking"]),
    known("dualStackIPv6", &["enabled"]),
    known("fargateEventWindows", &["disabled"]),
    known("fargateFIPSMode", &["disabled"]),
    known("fargateTaskRetirementWaitPeriod", &["7"]),
    known("guardDutyActivate", &["off"]),
    known("serviceLongArnFormat", &["enabled"]),
    known("tagResourceAuthorization", &["on"]),
    known("taskLongArnFormat", &["enabled"]),
];

fn find(name: &str) -> Result<&'static Known, EcsError> {
    let names = || KNOWN.map(|known| known.name).join(",");
    KNOWN
        .iter()
        .find(|known| known.name == name)
        .ok_or_else(|| EcsError::UnknownSetting(names()))
}

/// The value of a setting for the caller: the caller's own, the account's, or the service's default.
pub(super) fn effective(view: &Snapshot, call: &Call, name: &str) -> String {
    let own = explicit(view, call, &own_principal(call), name);
    let of_account = || explicit(view, call, &root(call), name);
    let default = || {
        find(name)
            .ok()
            .and_then(|known| known.values.first())
            .map(|value| (*value).to_owned())
    };
    own.or_else(of_account).or_else(default).unwrap_or_default()
}

fn explicit(view: &Snapshot, call: &Call, principal: &Arn, name: &str) -> Option<String> {
    let key = AccountSetting::key_of(&call.region, principal, name);
    view.ecs
        .account_settings
        .get(&key)
        .map(|setting| setting.value.clone())
}

fn root(call: &Call) -> Arn {
    Arn::global("iam", call.region.partition(), &call.account, "root")
}

/// Federated users have the root user's settings.
fn own_principal(call: &Call) -> Arn {
    match &call.caller.identity {
        Identity::User { arn, .. } | Identity::Role { arn, .. } => arn.clone(),
        _ => root(call),
    }
}

/// Whose settings are meant. Only the root user may name somebody else.
fn principal(call: &Call, asked: Option<&str>) -> Result<Arn, EcsError> {
    let own = own_principal(call);
    let Some(asked) = asked.filter(|asked| !asked.is_empty()) else {
        return Ok(own);
    };
    let invalid = || EcsError::SettingPrincipal(asked.to_owned());
    let asked: Arn = asked.parse().map_err(|_| invalid())?;
    let is_here = asked.service() == "iam" && asked.account() == call.account.as_str();
    let may = asked == own || matches!(call.caller.identity, Identity::Root);
    if is_here && may { Ok(asked) } else { Err(invalid()) }
}

fn shown(name: &str, value: String, principal: &Arn) -> Setting {
    let managed_by = if name == "guardDutyActivate" {
        "aws_managed"
    } else {
        "user"
    };
    Setting {
        name: Some(name.to_owned()),
        value: Some(value),
        principal_arn: Some(principal.to_string()),
        r#type: Some(managed_by.to_owned()),
    }
}

fn on_setting(action: &'static str, name: &str) -> Vec<Check> {
    vec![Check::new(action, "*").with("ecs:account-setting", name)]
}

fn set(tx: &mut Tx<'_>, call: &Call, principal: Arn, name: &str, value: &str) -> Result<Setting, EcsError> {
    if !find(name)?.values.contains(&value) {
        return Err(EcsError::SettingValue {
            name: name.to_owned(),
            value: value.to_owned(),
        });
    }
    let reply = shown(name, value.to_owned(), &principal);
    let (name, value) = (name.to_owned(), value.to_owned());
    tx.put(AccountSetting {
        region: call.region.clone(),
        principal,
        name,
        value,
    });
    Ok(reply)
}

/// No resource; the setting's name is a key.
pub fn require_put(ask: Ask<'_, PutAccountSettingRequest>) -> Result<Vec<Check>, ServiceError> {
    Ok(on_setting("ecs:PutAccountSetting", &ask.input.name))
}

/// Sets a value for one principal.
pub fn put(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, PutAccountSetting>,
) -> Result<PutAccountSettingResponse, ServiceError> {
    let input = auth.input();
    let principal = principal(auth.call(), input.principal_arn.as_deref())?;
    let setting = set(tx, auth.call(), principal, &input.name, &input.value)?;
    Ok(PutAccountSettingResponse {
        setting: Some(setting),
    })
}

/// No resource; the setting's name is a key.
pub fn require_put_default(
    ask: Ask<'_, PutAccountSettingDefaultRequest>,
) -> Result<Vec<Check>, ServiceError> {
    Ok(on_setting("ecs:PutAccountSettingDefault", &ask.input.name))
}

/// Sets the account's default.
pub fn put_default(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, PutAccountSettingDefault>,
) -> Result<PutAccountSettingDefaultResponse, ServiceError> {
    let input = auth.input();
    let setting = set(tx, auth.call(), root(auth.call()), &input.name, &input.value)?;
    Ok(PutAccountSettingDefaultResponse {
        setting: Some(setting),
    })
}

/// No resource; the setting's name is a key.
pub fn require_delete(ask: Ask<'_, DeleteAccountSettingRequest>) -> Result<Vec<Check>, ServiceError> {
    Ok(on_setting("ecs:DeleteAccountSetting", &ask.input.name))
}

/// Removes the value of one principal, which then has the account's.
pub fn delete(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, DeleteAccountSetting>,
) -> Result<DeleteAccountSettingResponse, ServiceError> {
    let input = auth.input();
    find(&input.name)?;
    let principal = principal(auth.call(), input.principal_arn.as_deref())?;
    tx.delete::<AccountSetting>(&AccountSetting::key_of(
        &auth.call().region,
        &principal,
        &input.name,
    ));
    let value = effective(tx.view(), auth.call(), &input.name);
    Ok(DeleteAccountSettingResponse {
        setting: Some(shown(&input.name, value, &principal)),
    })
}

/// No resource.
pub fn require_list(_ask: Ask<'_, ListAccountSettingsRequest>) -> Result<Vec<Check>, ServiceError> {
    Ok(vec![Check::new("ecs:ListAccountSettings", "*")])
}

/// The explicit settings of a principal, or all that are in force for it.
pub fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, ListAccountSettings>,
) -> Result<ListAccountSettingsResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    if input.value.is_some() && input.name.is_none() {
        return Err(EcsError::SettingNameMissing.into());
    }
    if let Some(name) = &input.name {
        find(name)?;
    }
    let principal = principal(call, input.principal_arn.as_deref())?;
    let pager = Pager::new(SETTINGS, "", input.next_token.as_deref(), input.max_results)?;
    let everything = input.effective_settings == Some(true);
    let value_of = |name: &str| {
        let own = explicit(view, call, &principal, name);
        let in_force = || explicit(view, call, &root(call), name).or_else(|| first_value(name));
        if everything { own.or_else(in_force) } else { own }
    };
    let rows = KNOWN
        .iter()
        .filter(|known| pager.after.as_deref().is_none_or(|after| known.name > after));
    let rows = rows.filter(|known| input.name.as_deref().is_none_or(|wanted| wanted == known.name));
    let rows = rows.filter_map(|known| Some((known.name, value_of(known.name)?)));
    let rows = rows.filter(|(_, value)| input.value.as_deref().is_none_or(|wanted| wanted == value));
    let (settings, next_token) = pager.page(rows.map(|(name, value)| (name, shown(name, value, &principal))));
    Ok(ListAccountSettingsResponse {
        settings: Some(settings),
        next_token,
    })
}

fn first_value(name: &str) -> Option<String> {
    find(name).ok()?.values.first().map(|value| (*value).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_in_order_of_their_names_so_that_pages_are_too() {
        assert!(KNOWN.is_sorted_by_key(|known| known.name));
        assert!(KNOWN.iter().all(|known| !known.values.is_empty()));
    }
}
