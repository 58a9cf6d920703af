//! The accounts of an organization. CreateAccount only asks for one: it is made behind the gate, see
//! [`Accounts`](crate::accounts::Accounts).

use portcullis_api::organizations::op::{CreateAccount, DescribeAccount, ListAccounts};
use portcullis_api::organizations::{
    CreateAccountRequest, CreateAccountResponse, DescribeAccountRequest, DescribeAccountResponse,
    ListAccountsResponse,
};
use portcullis_core::{AccountId, Random, Tag, Tags, hex_id};

use super::errors::OrganizationsError;
use super::paging::Pager;
use super::{ACCOUNTS_MAX, management, organization, shapes};
use crate::gate::context::add_request_tags;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::records::organization::{MemberAccount, Progress};
use crate::world::{Snapshot, Tx};

/// The role that every new account gets unless the caller names it otherwise.
const DEFAULT_ROLE: &str = "OrganizationAccountAccessRole";
/// The management account as a row: its own id says nothing of the order of the others.
const BEFORE_ALL: &str = "000000000000";

/// Tags need their own permission.
pub fn require_create(ask: Ask<'_, CreateAccountRequest>) -> Result<Vec<Check>, ServiceError> {
    let tags = tags(ask.input);
    let mut own = Check::new("organizations:CreateAccount", "*").only_for(management(ask.view));
    add_request_tags(&mut own.context, &tags);
    let mut checks = vec![own];
    if !tags.is_empty() {
        let organization = organization(ask.view)?;
        let mut tagging = Check::new(
            "organizations:TagResource",
            shapes::account_arn(&organization, "*"),
        );
        add_request_tags(&mut tagging.context, &tags);
        checks.push(tagging);
    }
    Ok(checks)
}

/// Asks for an account.
pub fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, CreateAccount>,
) -> Result<CreateAccountResponse, ServiceError> {
    let input = auth.input();
    organization(tx.view())?;
    if tx.view().member_accounts.len() >= ACCOUNTS_MAX {
        return Err(OrganizationsError::TooManyAccounts.into());
    }
    let taken = |(_, member): (&str, &std::sync::Arc<MemberAccount>)| {
        !matches!(member.progress, Progress::Failed(..)) && member.email.eq_ignore_ascii_case(&input.email)
    };
    let progress = if tx.view().member_accounts.iter().any(taken) {
        Progress::Failed(tx.now, "EMAIL_ALREADY_EXISTS".to_owned())
    } else {
        Progress::Requested
    };
    let member = MemberAccount {
        id: free_id(tx.view(), tx.random).ok_or(OrganizationsError::TooManyAccounts)?,
        name: input.account_name.clone(),
        email: input.email.clone(),
        role_name: input.role_name.clone().unwrap_or_else(|| DEFAULT_ROLE.to_owned()),
        request_id: format!("car-{}", hex_id(tx.random)),
        requested: tx.now,
        progress,
        tags: tags(input),
    };
    let status = shapes::status(&member);
    tx.put(member);
    Ok(CreateAccountResponse {
        create_account_status: Some(status),
    })
}

/// The account's ARN.
pub fn require_describe(ask: Ask<'_, DescribeAccountRequest>) -> Result<Vec<Check>, ServiceError> {
    let resource = match ask.view.organization() {
        Some(organization) => shapes::account_arn(&organization, &ask.input.account_id),
        None => "*".to_owned(),
    };
    let check = Check::new("organizations:DescribeAccount", resource);
    Ok(vec![check.only_for(management(ask.view))])
}

/// One account.
pub fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeAccount>,
) -> Result<DescribeAccountResponse, ServiceError> {
    let organization = organization(view)?;
    let id = &auth.input().account_id;
    let account = if id == organization.management.as_str() {
        Some(shapes::management(&organization))
    } else {
        let member = view.member_accounts.get(id);
        member.and_then(|member| shapes::member(&organization, member))
    };
    Ok(DescribeAccountResponse {
        account: Some(account.ok_or(OrganizationsError::NoAccount)?),
    })
}

/// The management account first, then the others in the order of their ids.
pub fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, ListAccounts>,
) -> Result<ListAccountsResponse, ServiceError> {
    let (input, organization) = (auth.input(), organization(view)?);
    let pager = Pager::of(input.next_token.as_deref(), input.max_results)?;
    let management = (BEFORE_ALL, shapes::management(&organization));
    let first = Some(management).filter(|_| pager.after.is_none());
    let others = view.member_accounts.after("", pager.after);
    let members = others.filter_map(|(id, member)| Some((id, shapes::member(&organization, member)?)));
    let (accounts, next_token) = pager.page(first.into_iter().chain(members));
    Ok(ListAccountsResponse {
        next_token,
        accounts: Some(accounts),
    })
}

fn tags(input: &CreateAccountRequest) -> Tags {
    let tags = input.tags.iter().flatten();
    tags.map(|tag| Tag::new(&tag.key, &tag.value)).collect()
}

/// An id that no account of this server has.
fn free_id(view: &Snapshot, random: &dyn Random) -> Option<AccountId> {
    const ATTEMPTS: usize = 16;
    let candidates = (0..ATTEMPTS).filter_map(|_| {
        let mut bytes = [0_u8; 8];
        random.fill(&mut bytes);
        let digits = u64::from_le_bytes(bytes) % 900_000_000_000 + 100_000_000_000;
        digits.to_string().parse::<AccountId>().ok()
    });
    candidates
        .into_iter()
        .find(|id| *id != view.account && view.member_accounts.get(id.as_str()).is_none())
}
