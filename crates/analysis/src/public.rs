//! "Is this public?": whether a policy that names principals lets strangers in.

use std::net::IpAddr;

use portcullis_policy::elements::{self, network};
use portcullis_policy::syntax::{Condition, Glob, Test, Token};
use portcullis_policy::{Document, Effect, Source};

use crate::Answer;
use crate::domains::Assumptions;
use crate::keys::addresses;
use crate::problem::shared_key;
use crate::question::{Callers, Options, Question};
use crate::text::pattern;

/// Keys whose fixed values only those have whom the policy's author means; strangers have others.
const TRUSTED: [&str; 19] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpcarn",
    "aws:sourcevpce",
    "aws:userid",
    "aws:vpceaccount",
    "aws:vpceorgid",
    "aws:vpceorgpaths",
    "kms:calleraccount",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
];

/// Networks shorter than this (IPv4, IPv6) are the Internet rather than somebody's own.
const OWN_NETWORK_BITS: (u32, u32) = (8, 32);

/// Whether a policy that names principals lets in callers of whom it knows nothing: anonymous ones, or users and roles of
/// any account. A condition that pins a key such as `aws:SourceAccount` or `aws:PrincipalOrgID` to fixed values keeps
/// strangers out; one with wildcards there does not.
pub fn public(policy: Source<'_>, options: Options) -> Answer {
    let conditions = || {
        policy
            .document
            .statements()
            .iter()
            .flat_map(|statement| &statement.conditions)
    };
    let excluded = conditions()
        .filter(|condition| TRUSTED.contains(&shared_key(&condition.key).as_str()))
        .map(|condition| (shared_key(&condition.key), fixed_values(condition)))
        .collect();
    let listed = outside_addresses(policy.document).into_iter().collect();
    Question {
        effect: Effect::Allow,
        allowed_by: &[policy],
        not_by: &[],
        within: None,
        callers: Callers::Strangers,
        assumptions: Assumptions {
            any_value: options.any_value,
            excluded,
            listed,
            any_account: true,
            ..Assumptions::default()
        },
        options,
    }
    .answer()
}

/// What no stranger has: values without wildcards, user ids whose unique id has none, and ARNs of an account that is named.
fn fixed_values(condition: &Condition) -> Vec<Glob> {
    let is_user_id = condition.key.eq_ignore_ascii_case("aws:userid");
    let takes_wildcards = matches!(condition.operator.test(), Test::StringLike | Test::Arn);
    let is_fixed = |text: &str| !takes_wildcards || !text.contains(['*', '?']);
    let values = condition
        .values
        .iter()
        .filter(|value| value.template.keys().next().is_none());
    let fixed = values.filter_map(|value| {
        let text = value.text.as_str();
        let account = text.split(':').nth(4).filter(|field| field.len() == 12);
        match account.filter(|field| field.bytes().all(|b| b.is_ascii_digit())) {
            Some(account) if text.starts_with("arn:") => Some(pattern(&format!("arn:*:*:*:{account}:*"))),
            _ if is_fixed(text) => Some(spelt_anyhow(text)),
            // `AROAEXAMPLE:*` is every session of one role, whatever follows the colon.
            _ if is_user_id && text.split_once(':').is_some_and(|(id, _)| is_fixed(id)) => {
                Some(pattern(text))
            }
            _ => None,
        }
    });
    fixed.collect()
}

/// A text, in capitals or not.
fn spelt_anyhow(text: &str) -> Glob {
    let folded = |c| Token::Folded(elements::fold(c));
    Glob::from_tokens(text.chars().map(folded).collect())
}

/// The addresses a stranger may have, if the policy compares addresses: those outside every network that is somebody's own.
fn outside_addresses(document: &Document) -> Option<(String, Vec<String>)> {
    let is_address = |condition: &&Condition| {
        condition.operator.test() == Test::IpAddress && condition.key.eq_ignore_ascii_case("aws:SourceIp")
    };
    let conditions = document
        .statements()
        .iter()
        .flat_map(|statement| &statement.conditions);
    let values: Vec<&str> = conditions
        .filter(is_address)
        .flat_map(|condition| &condition.values)
        .map(|value| value.text.as_str())
        .collect();
    if values.is_empty() {
        return None;
    }
    let own: Vec<(IpAddr, u32)> = values
        .iter()
        .filter_map(|value| network(value))
        .filter(is_own)
        .collect();
    let is_outside = |text: &String| {
        let address: Option<IpAddr> = text.parse().ok();
        address.is_some_and(|address| !own.iter().any(|network| contains(*network, address)))
    };
    Some((
        "aws:sourceip".to_owned(),
        addresses::candidates(&values)
            .into_iter()
            .filter(is_outside)
            .collect(),
    ))
}

fn is_own((address, bits): &(IpAddr, u32)) -> bool {
    let (v4, v6) = OWN_NETWORK_BITS;
    *bits >= if address.is_ipv4() { v4 } else { v6 }
}

fn contains((network, bits): (IpAddr, u32), address: IpAddr) -> bool {
    let left = |width: u32| width.saturating_sub(bits);
    match (network, address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).checked_shr(left(32)).unwrap_or(0) == 0,
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            (a.to_bits() ^ b.to_bits()).checked_shr(left(128)).unwrap_or(0) == 0
        }
        _ => false,
    }
}
