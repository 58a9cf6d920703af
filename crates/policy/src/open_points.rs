//! Where AWS is silent or sources disagree, one function per open point decides. Each is named after its
//! rule in the policy-language specification, so that a later finding is a one-line change.

use crate::document::Statement;
use crate::matching::operator::Test;
use crate::{Kind, Malformed, PolicyType, Value};

/// R3: what IAM answers to a text that is no JSON or holds a key twice.
pub(crate) fn r3_error() -> Malformed {
    Malformed::Syntax
}

/// R5: which kinds of policy must say version 2012-10-17 when written. Trust policies need not: AWS's own
/// documentation long printed them with 2008-10-17.
pub(crate) fn r5_requires_version_2012(kind: Kind) -> bool {
    matches!(kind, Kind::Identity | Kind::Boundary)
}

/// R11: what of a Sid makes it unique. All of it, with its case.
pub(crate) fn r11_unique_part(sid: &str) -> &str {
    sid
}

/// R14: what IAM answers to a principal where none may stand.
pub(crate) fn r14_error() -> Malformed {
    Malformed::PrincipalForbidden
}

/// R22: whether the case of operator names matters. In what IAM and STS check when it is written; documents of other
/// services are read as they are, and there it does not.
pub(crate) fn r22_operator_names_have_case(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Identity | Kind::Boundary | Kind::Session | Kind::Trust
    )
}

/// R24: whether `sts:*` may stand in a trust policy. No: only the named actions may.
pub(crate) fn r24_trust_policy_may_use_wildcards() -> bool {
    false
}

/// R26: whether white space inside strings counts towards a quota. No: it is dropped wherever it stands.
pub(crate) fn r26_counts(c: char) -> bool {
    !matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// R26: characters a role's trust policy may have. The default; accounts may ask for 4,096.
pub(crate) const fn r26_trust_policy_size() -> usize {
    2_048
}

/// R26: characters a service or resource control policy may have, as the sources of 2023 say.
pub(crate) const fn r26_control_policy_size() -> usize {
    5_120
}

/// R29: whether a condition with an empty list of values holds. Only ForAllValues without the key does.
pub(crate) fn r29_empty_value_list_holds(for_all_values: bool, key_is_missing: bool) -> bool {
    for_all_values && key_is_missing
}

/// R32: whether a statement is refused because the grammar of service control policies of 2023 had no such thing. No:
/// they use the whole language.
pub(crate) fn r32_is_refused(_kind: Kind, _statement: &Statement) -> bool {
    false
}

/// R35: whether the vendor `*`, as in `*:*`, is every service. Yes.
pub(crate) fn r35_star_is_every_service() -> bool {
    true
}

/// R41, R57: whether a request for `*` asks for the values of the variables in NotResource. No: no value could make an ARN
/// match `*`, so NotResource holds and R57 has nothing to decide.
pub(crate) fn r41_r57_star_asks_for_variables() -> bool {
    false
}

/// R44: whether wildcards match colons in the sixth field. Yes: keys of S3 objects hold colons.
pub(crate) fn r44_resource_part_wildcards_match_colons() -> bool {
    true
}

/// R46: whether a letter that a pattern writes in one of its first five fields has case, when a `*` before it may have run
/// on over colons. As the field of the resource that it meets says: in the resource part it has.
pub(crate) fn r46_floating_letter_has_case(meets_resource_part: bool) -> bool {
    meets_resource_part
}

/// R45: whether an ARN pattern with fewer than six fields and no `*` at its end is filled up with `*`. In
/// identity, boundary and session policies yes; elsewhere it matches nothing.
pub(crate) fn r45_short_arn_is_padded(kind: Kind) -> bool {
    matches!(kind, Kind::Identity | Kind::Boundary | Kind::Session)
}

/// R47: whether a pattern matches nothing because a wildcard stands in its service or its type of resource. No: such
/// wildcards are wildcards.
pub(crate) fn r47_matches_nothing(_pattern: &str) -> bool {
    false
}

/// R52: whether variables are replaced in values of Bool. Yes, as the 2023 text says.
pub(crate) fn r52_bool_takes_variables() -> bool {
    true
}

/// R53: whether a pattern with a variable before the fifth colon matches nothing. Yes.
pub(crate) fn r53_early_variable_matches_nothing() -> bool {
    true
}

/// R56: whether a default also replaces an empty value. No: an empty string is a value.
pub(crate) fn r56_default_replaces_empty_value() -> bool {
    false
}

/// R57: whether NotResource holds when one of its variables has no value. We fail closed: an Allow does not
/// apply, a Deny does.
pub(crate) fn r57_not_resource_holds_unresolved(denies: bool) -> bool {
    denies
}

/// R71: whether NotPrincipal with Deny hits every caller who has a permissions boundary. Yes.
pub(crate) fn r71_not_principal_deny_hits_bounded_callers() -> bool {
    true
}

/// R71: whether NotPrincipal excepts a federated user. As with role sessions, of whom AWS says so: whoever is behind it and
/// its account must both be listed.
pub(crate) fn r71_federated_user_is_excepted(lists_user: bool, lists_account: bool) -> bool {
    lists_user && lists_account
}

/// R78: whether case is also ignored beyond ASCII. Yes, one character at a time.
pub(crate) fn r78_folds_beyond_ascii() -> bool {
    true
}

/// R80: whether a number is none because of how it is written. No: a sign, an exponent and a point without digits on one of
/// its sides (`+7`, `1e3`, `.5`) do no harm.
pub(crate) fn r80_number_is_refused(_text: &str) -> bool {
    false
}

/// R81: whether a date is none because of how it is written. No: what IAM takes in a policy (`01T`, `2026-2-3t4Z`) is a date
/// when it is compared, too; without a zone it is UTC, and the 30th of February is the 2nd of March.
pub(crate) fn r81_date_is_refused(_text: &str) -> bool {
    false
}

/// R81: whether four digits are a year rather than seconds since the epoch. Yes.
pub(crate) fn r81_four_digits_are_a_year() -> bool {
    true
}

/// R84: whether a network is none because of how it is written. No: zeros before the number of bits and an address alone,
/// of IPv6 too, do no harm.
pub(crate) fn r84_network_is_refused(_text: &str) -> bool {
    false
}

/// R84: whether an IPv4 address in IPv6 clothes (`::ffff:10.0.0.1`) is an IPv4 address. Yes.
pub(crate) fn r84_mapped_address_is_ipv4() -> bool {
    true
}

/// R86, R87: what a negated operator says when a value is not of its type. A request value that is not an
/// ARN differs from every ARN, so ArnNot* holds; every other invalid value never matches.
pub(crate) fn r86_r87_negated_holds_for_invalid(test: Test, request_value_is_invalid: bool) -> bool {
    test == Test::Arn && request_value_is_invalid
}

/// R89: whether a multi-valued key without set operator can match. No, not even a negated operator.
pub(crate) fn r89_multi_valued_key_may_match() -> bool {
    false
}

/// R92: what a set operator with IfExists says about a missing key. It holds: published data-perimeter
/// policies (Deny with ForAnyValue:StringNotLikeIfExists) work only so.
pub(crate) fn r92_set_operator_if_exists_holds_for_missing_key() -> bool {
    true
}

/// R96: whether a key counts as missing although the request has it. When its list is empty; an empty string is a value.
pub(crate) fn r96_counts_as_missing(value: &Value) -> bool {
    value.values().is_empty()
}

/// R121: whether session policies bind a root user's session. Yes: what is passed with a session always limits it.
pub(crate) fn r121_session_policies_bind_root() -> bool {
    true
}

/// R160: whether Null finds a key absent that the request has, or present that it has not. Never, not even the MFA keys,
/// of which AWS's page says so.
pub(crate) fn r160_null_finds_absent(_key: &str, is_absent: bool) -> bool {
    is_absent
}

/// R164: the value of a tag key that a resource has several times in different case: all of them, so that plain operators
/// do not match (R89).
pub(crate) fn r164_value_of_same_keys(values: Vec<String>) -> Value {
    Value::Many(values)
}

/// R172: which type is named when several refuse, first to last.
pub(crate) fn r172_order() -> [PolicyType; 8] {
    [
        PolicyType::ServiceControl,
        PolicyType::ResourceControl,
        PolicyType::Endpoint,
        PolicyType::Resource,
        PolicyType::RoleTrust,
        PolicyType::Boundary,
        PolicyType::Session,
        PolicyType::Identity,
    ]
}

/// R173: whether an explicit deny names the policy's ARN in the message. No, as AWS did until 2026: clients
/// compare these texts, and the explanation names the policy anyway.
pub(crate) fn r173_message_names_policy() -> bool {
    false
}

/// R179: whether callers of another account are told the policy type. No.
pub(crate) fn r179_cross_account_message_names_type() -> bool {
    false
}
