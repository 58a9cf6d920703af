//! The table itself. Codes of origin `Aws` are Access Analyzer's own, so that people find them where they look; the words
//! are ours. Rules are those of the policy-language specification.

use super::{CodeInfo, FindingKind, Origin};

macro_rules! codes {
    ($($code:ident $name:literal $kind:ident $origin:ident $title:literal $help:literal;)*) => {
        /// What a check found.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum IssueCode {
            $(#[doc = $title] $code,)*
        }

        impl IssueCode {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$code,)*];

            /// Its row of the table.
            pub fn info(self) -> &'static CodeInfo {
                match self {
                    $(Self::$code => &CodeInfo {
                        name: $name,
                        kind: FindingKind::$kind,
                        origin: Origin::$origin,
                        title: $title,
                        help: $help,
                    },)*
                }
            }
        }
    };
}

codes! {
    // The text and its elements (R1-R15).
    JsonSyntaxError "JSON_SYNTAX_ERROR" Error Aws "The text is not JSON."
        "IAM reads strict JSON: no comments, no trailing commas, double quotes only.";
    InvalidCharacter "INVALID_CHARACTER" Error Portcullis "A character may not occur in a policy."
        "Policies may hold tab, line feed, carriage return and U+0020 to U+00FF only (R1). Write others as JSON escapes.";
    InvisibleCharacter "INVISIBLE_CHARACTER" Warning Portcullis "A character cannot be seen."
        "Invisible characters usually come from copied text. They are compared like any other, so the value matches nothing real.";
    DuplicateKey "DUPLICATE_KEY" Error Portcullis "An object holds a key twice."
        "IAM refuses repeated keys (R3). Merge the two members into one.";
    DataTypeMismatch "DATA_TYPE_MISMATCH" Error Aws "A value has the wrong JSON type."
        "Use the type that the element takes: strings, flat lists of strings, or objects (R15, R16).";
    InvalidPolicyElement "INVALID_POLICY_ELEMENT" Error Aws "An element does not exist."
        "Element names are fixed and compared with case (R2, R9). IAM refuses unknown ones.";
    MissingStatement "MISSING_STATEMENT" Error Aws "The policy has no statement."
        "A policy needs Statement: one object or a list of at least one (R8).";
    InvalidVersion "INVALID_VERSION" Error Aws "The version does not exist."
        "Version is the version of the policy language, 2012-10-17, not the date of your policy (R4).";
    VersionRequired "VERSION_2012_REQUIRED" Error Portcullis "The version must be 2012-10-17."
        "IAM stores identity policies only with Version 2012-10-17 (R5).";
    MissingVersion "MISSING_VERSION" Warning Aws "The policy has no version."
        "Without Version the language of 2008 applies, and policy variables are plain text (R4, R6).";
    OldVersion "OLD_VERSION" Warning Portcullis "The version is the old one."
        "Under 2008-10-17 policy variables are plain text (R6). Use 2012-10-17.";
    IdWithoutEffect "ID_IN_IAM_POLICY" Suggestion Portcullis "Id has no effect here."
        "IAM ignores Id in policies of its own (R7).";
    UnsupportedElementCombination "UNSUPPORTED_ELEMENT_COMBINATION" Error Aws "Two elements exclude each other."
        "A statement has either an element or its negation: Action or NotAction, Resource or NotResource, Principal or NotPrincipal (R9).";
    MissingEffect "MISSING_EFFECT" Error Aws "The statement has no effect."
        "Every statement says Allow or Deny (R10).";
    InvalidEffect "INVALID_EFFECT" Error Aws "The effect is neither Allow nor Deny."
        "Effect is spelt Allow or Deny, with this case (R10).";
    UnsupportedSid "UNSUPPORTED_SID" Error Aws "The statement id holds other characters than letters and digits."
        "IAM takes A-Z, a-z and 0-9 in Sid (R11).";
    UniqueSidsRequired "UNIQUE_SIDS_REQUIRED" Error Aws "Two statements share an id."
        "Statement ids are unique in a policy (R11).";
    EmptySidValue "EMPTY_SID_VALUE" Suggestion Aws "The statement id is empty."
        "Name the statement, or leave Sid out. Explanations name statements by it.";
    PolicySizeExceedsIdentityPolicyQuota "POLICY_SIZE_EXCEEDS_IDENTITY_POLICY_QUOTA" Warning Aws "The policy is too large to be stored."
        "Without white space a managed policy may have 6,144 characters and a session policy 2,048 (R26). Split it.";
    PolicySizeExceedsResourcePolicyQuota "POLICY_SIZE_EXCEEDS_RESOURCE_POLICY_QUOTA" Warning Aws "The trust policy is too large."
        "Without white space a trust policy may have 2,048 characters, 4,096 with a raised quota (R26).";
    PolicySizeExceedsScpQuota "POLICY_SIZE_EXCEEDS_SCP_QUOTA" Error Aws "The service control policy is too large."
        "Service control policies may have 5,120 characters (R26). Split it.";
    PolicySizeExceedsRcpQuota "POLICY_SIZE_EXCEEDS_RCP_QUOTA" Error Aws "The resource control policy is too large."
        "Resource control policies may have 5,120 characters (R26). Split it.";

    // Actions (R12, R18, R24, R33-R38).
    MissingAction "MISSING_ACTION" Error Aws "The statement has no actions."
        "Every statement names actions with Action or NotAction; an empty list is refused too (R12).";
    InvalidActionFormat "INVALID_ACTION_FORMAT" Error Portcullis "The action is not written as service:Name."
        "An action is `*`, or a service prefix, one colon and a name (R18).";
    InvalidServiceInAction "INVALID_SERVICE_IN_ACTION" Error Aws "The service does not exist."
        "Service prefixes take no wildcards (R35). The action matches nothing.";
    InvalidAction "INVALID_ACTION" Error Aws "The action does not exist."
        "IAM accepts misspelt actions, and they match nothing (R38).";
    UnsupportedActionInPolicy "UNSUPPORTED_ACTION_IN_POLICY" Error Aws "The action may not stand in this kind of policy."
        "Trust policies take the sts: actions that give credentials, by name (R24).";
    RedundantAction "REDUNDANT_ACTION" Suggestion Aws "Another entry covers the action already."
        "Remove the entry that adds nothing, or the wildcard, if you did not mean it to reach so far.";
    AllowWithNotAction "ALLOW_WITH_NOT_ACTION" SecurityWarning Portcullis "Allow with NotAction grants every service's actions but a few."
        "NotAction covers all other services too, and every action they will ever get (R37). List what is needed in Action.";
    AllowEverything "ALLOW_EVERYTHING" SecurityWarning Portcullis "Everything is allowed on everything."
        "Whoever has this policy is an administrator. Name services, actions and resources.";

    // Resources (R13, R19-R21, R39-R50).
    MissingResource "MISSING_RESOURCE" Error Aws "The statement has no resources."
        "Statements of identity policies need Resource or NotResource; an empty list is refused too (R13).";
    EmptyArrayResource "EMPTY_ARRAY_RESOURCE" Suggestion Aws "The list of resources is empty."
        "A statement with an empty list of resources applies to nothing.";
    RoleTrustPolicySyntaxErrorResource "ROLE_TRUST_POLICY_SYNTAX_ERROR_RESOURCE" Error Aws "A trust policy names resources."
        "The resource of a trust policy is its role; Resource and NotResource are refused (R13).";
    InvalidArnPrefix "INVALID_ARN_PREFIX" Error Aws "The resource is neither an ARN nor `*`."
        "Resources are `*` or arn:partition:service:region:account:resource (R19).";
    InvalidPartition "INVALID_PARTITION" Error Aws "The partition does not exist."
        "Partitions are aws, aws-cn, aws-us-gov and those of the isolated and sovereign clouds (R21).";
    MissingArnField "MISSING_ARN_FIELD" Error Aws "The ARN has too few fields."
        "An ARN has six fields: arn:partition:service:region:account:resource. What shorter ones match differs by kind of policy (R45).";
    IncompleteArn "INCOMPLETE_ARN" Suggestion Portcullis "The ARN leaves its last fields to a `*`."
        "A `*` at the end of a field runs on over the colons after it (R44). Write the fields out to say what is meant.";
    InvalidArnServiceCase "INVALID_ARN_SERVICE_CASE" Error Aws "The service of the ARN is not in lower case."
        "Service names in ARNs are lower case.";
    WildcardInServiceName "WILDCARD_IN_SERVICE_NAME" Suggestion Aws "The service of the ARN holds a wildcard."
        "It may match services you do not think of, and some services refuse it (R47).";
    InvalidServiceInResource "INVALID_SERVICE_IN_RESOURCE" Warning Portcullis "No service has ARNs of this kind."
        "No resource type of any known service has this service field. Look for a typing error.";
    ArnRegionNotAllowed "ARN_REGION_NOT_ALLOWED" Error Aws "Resources of this type have no region."
        "Leave the region field empty; with a region the ARN matches nothing.";
    ArnAccountNotAllowed "ARN_ACCOUNT_NOT_ALLOWED" Error Aws "Resources of this type have no account."
        "Leave the account field empty; with an account the ARN matches nothing.";
    MissingArnRegion "MISSING_ARN_REGION" Error Aws "The ARN has no region."
        "Resources of this type have a region. Name it, or write `*`.";
    MissingArnAccount "MISSING_ARN_ACCOUNT" Error Portcullis "The ARN has no account."
        "Resources of this type belong to an account. Name it, or write `*`.";
    InvalidArnRegion "INVALID_ARN_REGION" Error Aws "The region does not exist."
        "The region field is a region such as us-east-1, a pattern, or empty.";
    InvalidArnAccount "INVALID_ARN_ACCOUNT" Error Aws "The account is not twelve digits."
        "Account ids have twelve digits.";
    InvalidArnResource "INVALID_ARN_RESOURCE" Error Aws "The ARN has the form of no resource of the service."
        "The part after the account must have the form of one of the service's resource types.";
    TaskDefinitionWithoutRevision "TASK_DEFINITION_WITHOUT_REVISION" Warning Portcullis "The task definition is named without its revision."
        "Amazon ECS turns a family into family:revision before it asks IAM (R144), so the ARN matches nothing. family:* means all its revisions.";
    AllowResourceNeverMatches "ALLOW_RESOURCE_NEVER_MATCHES" Warning Portcullis "None of the statement's actions is about this resource."
        "Each action is authorised on resources of certain types only. This resource is of none of them, and grants nothing.";
    DenyResourceNeverMatches "DENY_RESOURCE_NEVER_MATCHES" SecurityWarning Portcullis "None of the denied actions is about this resource."
        "Each action is authorised on resources of certain types only. This resource is of none of them: nothing is denied.";
    AllowActionNeverMatches "ALLOW_ACTION_NEVER_MATCHES" Warning Portcullis "The action is not about any of the statement's resources."
        "The action is authorised on resources of other types, so the statement does not grant it.";
    DenyActionNeverMatches "DENY_ACTION_NEVER_MATCHES" SecurityWarning Portcullis "The denied action is not about any of the statement's resources."
        "The action is authorised on resources of other types, so the statement does not deny it.";
    AllowActionNeedsStar "ALLOW_ACTION_NEEDS_ALL_RESOURCES" Warning Portcullis "The action cannot be limited to a resource."
        "It is authorised on `*`, which only the pattern `*` matches (R41). Move it to a statement with Resource `*`.";
    DenyActionNeedsStar "DENY_ACTION_NEEDS_ALL_RESOURCES" SecurityWarning Portcullis "The denied action cannot be limited to a resource."
        "It is authorised on `*`, which only the pattern `*` matches (R41). This statement does not deny it.";
    ResourceCouldBeLimited "RESOURCE_COULD_BE_LIMITED" Suggestion Portcullis "`*` stands where resources could be named."
        "These actions change things and can be limited to resources. Name them, or their pattern, in a statement of their own.";
    AllowWithNotResource "ALLOW_WITH_NOT_RESOURCE" SecurityWarning Portcullis "Allow with NotResource grants all resources but a few."
        "NotResource covers every other resource, of every service the actions reach, and all that will ever be made. Name what is needed.";
    RedundantResource "REDUNDANT_RESOURCE" Suggestion Aws "Another entry covers the resource already."
        "Remove the entry that adds nothing, or the wildcard, if you did not mean it to reach so far.";

    // Principals (R14, R61-R72).
    UnsupportedPrincipal "UNSUPPORTED_PRINCIPAL" Error Aws "This kind of policy names no principals."
        "An identity policy applies to whom it is attached; Principal belongs to resource and trust policies (R14).";
    ScpSyntaxErrorPrincipal "SCP_SYNTAX_ERROR_PRINCIPAL" Error Aws "A service control policy names principals."
        "A service control policy binds whole accounts. Use the key aws:PrincipalArn in a condition (R14).";
    MissingPrincipal "MISSING_PRINCIPAL" Error Aws "The statement names nobody."
        "Statements of resource and trust policies say to whom they apply with Principal (R14).";
    EmptyArrayPrincipal "EMPTY_ARRAY_PRINCIPAL" Suggestion Aws "A list of principals is empty."
        "It names nobody. Remove it.";
    RoleTrustPolicySyntaxErrorNotPrincipal "ROLE_TRUST_POLICY_SYNTAX_ERROR_NOTPRINCIPAL" Error Aws "A trust policy has NotPrincipal."
        "IAM refuses NotPrincipal in trust policies (R14).";
    InvalidPrincipalFormat "INVALID_PRINCIPAL_FORMAT" Error Aws "The principal has no known form."
        "Principals are accounts, users, roles, sessions and unique ids under AWS, host names under Service, providers under Federated (R61, R63).";
    InvalidServicePrincipalFormat "INVALID_SERVICE_PRINCIPAL_FORMAT" Error Aws "The service principal is no host name."
        "Services call as names such as ecs-tasks.amazonaws.com (R69).";
    RoleTrustPolicyUnsupportedWildcard "ROLE_TRUST_POLICY_UNSUPPORTED_WILDCARD_IN_PRINCIPAL" Error Aws "A trust policy has the principal `*` by itself."
        "IAM refuses the short form in trust policies. Name who may come, or write {\"AWS\": \"*\"} with a condition that says who.";
    InvalidFederatedPrincipalSyntax "INVALID_FEDERATED_PRINCIPAL_SYNTAX_IN_ROLE_TRUST_POLICY" Error Aws "The provider of identities has no known form."
        "Federated names the ARN of an oidc-provider or saml-provider, or a domain such as cognito-identity.amazonaws.com (R61, R70).";
    MismatchedActionForPrincipal "MISMATCHED_ACTION_FOR_PRINCIPAL" Error Aws "Nobody who is named comes by this action."
        "Accounts, users, roles and services come by sts:AssumeRole, users of SAML providers by sts:AssumeRoleWithSAML, those of OpenID Connect providers by sts:AssumeRoleWithWebIdentity (R70).";
    MissingActionForRolesAnywhere "MISSING_ACTION_FOR_ROLES_ANYWHERE_TRUST_POLICY" Error Aws "Roles Anywhere is trusted without all actions it needs."
        "IAM Roles Anywhere needs sts:AssumeRole, sts:SetSourceIdentity and sts:TagSession.";
    RedundantPrincipalInTrustPolicy "REDUNDANT_PRINCIPAL_IN_ROLE_TRUST_POLICY" Suggestion Aws "A session stands beside its role."
        "A role stands for all its sessions (R67). Remove the session, or the role, if only the session is meant.";
    InvalidPrincipalKey "INVALID_PRINCIPAL_KEY" Error Aws "The kind of principal does not exist."
        "Principal takes AWS, Service, Federated and CanonicalUser, with this case (R61).";
    UnsupportedWildcardInPrincipal "UNSUPPORTED_WILDCARD_IN_PRINCIPAL" Error Aws "The principal holds a wildcard."
        "Only the whole word `*` is allowed (R62). Use the key aws:PrincipalArn in a condition for patterns.";
    InvalidServicePrincipal "UNKNOWN_SERVICE_PRINCIPAL" Warning Portcullis "No service principal of this name is known."
        "Services call as names such as ecs-tasks.amazonaws.com. Look for a typing error.";
    InvalidRoleReference "INVALID_ROLE_REFERENCE" Warning Aws "The principal is the unique id of a role."
        "It stands for a role that may no longer exist (R65). Name the role by its ARN.";
    InvalidUserReference "INVALID_USER_REFERENCE" Warning Aws "The principal is the unique id of a user."
        "It stands for a user who may no longer exist (R65). Name the user by the ARN.";
    AllowWithNotPrincipal "ALLOW_WITH_NOT_PRINCIPAL" SecurityWarning Aws "Allow with NotPrincipal grants nearly everybody."
        "Everybody who is not listed gets access, anonymous callers included (R71). List the others in Principal.";
    DenyWithNotPrincipal "DENY_WITH_NOT_PRINCIPAL" Warning Portcullis "Deny with NotPrincipal denies more than it seems to."
        "A session is spared only when its role and account are listed too, and whoever has a permissions boundary is always denied (R71). Prefer a condition on aws:PrincipalArn.";
    PublicAccess "PUBLIC_ACCESS" SecurityWarning Portcullis "Everybody is allowed."
        "The principal `*` is everyone, anonymous callers included (R62). Name accounts or roles, or add a condition on the caller.";
    RestrictAccessToServicePrincipal "RESTRICT_ACCESS_TO_SERVICE_PRINCIPAL" SecurityWarning Aws "A service is allowed, whoever it acts for."
        "Other customers can make the service call on their behalf. Add aws:SourceArn or aws:SourceAccount.";
    RecommendedConditionKeyForServicePrincipal "RECOMMENDED_CONDITION_KEY_FOR_SERVICE_PRINCIPAL" Suggestion Aws "The role can be assumed by the service for any of its resources."
        "Where the service sends them, aws:SourceAccount and aws:SourceArn say for which account and resource it assumes the role.";

    // Providers of OpenID Connect (R70, R90).
    MissingGithubRepoConditionKey "MISSING_GITHUB_REPO_CONDITION_KEY" SecurityWarning Aws "GitHub is trusted, whichever repository asks."
        "Every repository of GitHub gets tokens of the same issuer. Say which may come with token.actions.githubusercontent.com:sub, such as repo:OWNER/NAME:ref:refs/heads/main; ForAllValues and IfExists also let tokens through that lack the claim.";
    SpecificGithubRepoAndBranch "SPECIFIC_GITHUB_REPO_AND_BRANCH_RECOMMENDED" Warning Aws "The subject leaves repository or branch of GitHub open."
        "Whoever can push a branch, or open a pull request that runs with the repository's rights, can assume the role. Name repository and branch, tag or environment.";
    MissingConditionKeyForOidcPrincipal "MISSING_CONDITION_KEY_FOR_OIDC_PRINCIPAL" SecurityWarning Aws "A provider of OpenID Connect is trusted without a condition on its claims."
        "Every token of the provider assumes the role. Say which with its claims, aud and sub at least.";
    OidcTenantMissing "OIDC_TENANT_MISSING" SecurityWarning Portcullis "A provider that many share is trusted for all of them."
        "The issuer makes tokens for all its customers, and the conditions do not say which is meant. Add the claim that does, mostly sub.";
    OidcTenantTooWide "OIDC_TENANT_TOO_WIDE" SecurityWarning Portcullis "A pattern for a claim lets other customers of the provider in."
        "The wildcard stands in or before the name of the customer, and names are free to take. Write owner, organization or namespace out.";
    ConfirmAudienceClaimType "CONFIRM_AUDIENCE_CLAIM_TYPE" Suggestion Aws "A set operator stands before an audience."
        "Tokens mostly have one audience: compare it without set operator. ForAllValues also lets tokens through that have none (R90).";

    // Conditions (R16, R22, R23, R29, R30, R73-R112).
    InvalidConditionOperator "INVALID_CONDITION_OPERATOR" Error Aws "The operator does not exist."
        "Operator names are compared with case; they take the prefixes ForAllValues: and ForAnyValue: and the suffix IfExists (R22, R77).";
    NullWithIfExists "NULL_WITH_IF_EXISTS" Error Aws "Null has no IfExists."
        "Null asks whether the key is there; IfExists makes no sense with it (R22).";
    NullWithQualifier "NULL_WITH_QUALIFIER" Suggestion Aws "A set operator stands before Null."
        "Null is about the key, not its values; the set operator is ignored (R97).";
    DuplicateKeysWithDifferentCase "DUPLICATE_KEYS_WITH_DIFFERENT_CASE" Error Aws "A condition key occurs twice in different case."
        "Condition keys are compared without case; IAM refuses two of the same in one operator (R3).";
    InvalidConditionKeyFormat "INVALID_CONDITION_KEY_FORMAT" Error Aws "The condition key is not written as prefix:name."
        "Condition keys have a prefix, a colon and a name.";
    InvalidGlobalConditionKey "INVALID_GLOBAL_CONDITION_KEY" Error Aws "No global condition key has this name."
        "An unknown key is never in a request: a plain condition on it never holds, a negated one always does (R76, R100).";
    InvalidService "INVALID_SERVICE" Error Aws "The condition key's prefix is no service."
        "Keys start with aws:, a service's prefix or the name of an identity provider.";
    InvalidServiceConditionKey "INVALID_SERVICE_CONDITION_KEY" Error Aws "The service has no condition key of this name."
        "An unknown key is never in a request: a plain condition on it never holds, a negated one always does (R76, R100).";
    DeprecatedGlobalConditionKey "UNSUPPORTED_GLOBAL_CONDITION_KEY" Error Aws "The condition key is no longer supported."
        "Use aws:PrincipalArn for the caller or aws:SourceArn for the resource a service calls for.";
    MissingTagKeyInCondition "MISSING_TAG_KEY_IN_CONDITION" Error Aws "The condition key lacks the tag's key."
        "Write the tag's key after a slash: aws:ResourceTag/team.";
    UnsupportedConditionKey "UNSUPPORTED_CONDITION_KEY" Warning Portcullis "No action of the statement has this condition key."
        "The key is never in such a request (R112): a plain condition on it never holds, a negated or IfExists one always does.";
    AllowWithPartlySupportedKey "ALLOW_WITH_PARTLY_SUPPORTED_KEY" Warning Portcullis "Some actions of the statement do not have this condition key."
        "For them the key is never in the request (R112), and the statement does not grant them. Move them to a statement of their own.";
    DenyWithPartlySupportedKey "DENY_WITH_PARTLY_SUPPORTED_KEY" SecurityWarning Portcullis "Some denied actions do not have this condition key."
        "For them the key is never in the request (R112), and the statement does not deny them. Move them to a statement of their own.";
    AllowWithUnsupportedTagKey "ALLOW_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE" Suggestion Aws "Some services of the statement do not know this tag key."
        "None of their actions in this statement supports the key, so the statement does not grant them.";
    DenyWithUnsupportedTagKey "DENY_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE" SecurityWarning Aws "Some services of the denying statement do not know this tag key."
        "None of their actions in this statement supports the key, so the statement does not deny them.";
    AllowNotActionWithUnsupportedTagKey "ALLOW_NOTACTION_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE" Suggestion Aws "NotAction is limited by a tag key that not every service knows."
        "Actions that do not support the key are not granted. List the actions instead.";
    DenyNotActionWithUnsupportedTagKey "DENY_NOTACTION_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE" SecurityWarning Aws "A denying NotAction is limited by a tag key that not every service knows."
        "Actions that do not support the key are not denied. List the actions instead.";
    MissingQualifier "MISSING_QUALIFIER" Error Aws "A key with several values is compared without a set operator."
        "Without ForAllValues: or ForAnyValue: such a key never matches (R89).";
    ForAllValuesWithSingleValuedKey "FORALLVALUES_WITH_SINGLE_VALUED_KEY" SecurityWarning Aws "ForAllValues stands before a key with one value."
        "ForAllValues also holds when the key is missing (R90), so the statement applies to requests without it. Remove ForAllValues.";
    TypeMismatch "TYPE_MISMATCH" Warning Aws "The operator does not fit the key's type."
        "Values are compared as what the operator says (R88). With another type than the key's they never match, or not as meant.";
    ArnKeyWithStringLike "STRING_LIKE_OPERATOR_WITH_ARN_CONDITION_KEYS" SecurityWarning Aws "An ARN is compared as text with wildcards."
        "A `*` of StringLike runs over colons into other fields of the ARN; ArnLike compares field by field (R85).";
    InvalidDate "INVALID_DATE" Error Portcullis "The date cannot be read."
        "Dates are ISO 8601 such as 2026-11-22T10:00:00Z. IAM refuses others (R23).";
    InvalidDateValue "INVALID_DATE_VALUE" Warning Aws "The date is written as seconds since 1970."
        "It is hard to read and easy to get wrong. Write it as ISO 8601.";
    TypeMismatchBoolean "TYPE_MISMATCH_BOOLEAN" Warning Aws "The value is neither true nor false."
        "Bool and Null compare with true and false only; anything else never matches (R82, R97).";
    TypeMismatchNumber "TYPE_MISMATCH_NUMBER" Warning Aws "The value is no number."
        "Numeric operators never match what is no number (R80).";
    TypeMismatchIpRange "TYPE_MISMATCH_IP_RANGE" Warning Aws "The value is no IP address or range."
        "Ranges are written as 203.0.113.0/24 or 2001:db8::/32. Anything else never matches (R84).";
    TypeMismatchString "TYPE_MISMATCH_STRING" Warning Aws "The value is not base64."
        "BinaryEquals decodes the value from base64 (R83).";
    InvalidConditionDataType "INVALID_CONDITION_DATA_TYPE" Error Aws "The values of a key have different JSON types."
        "Write all values of a key as strings.";
    InvalidConditionMultipleBoolean "INVALID_CONDITION_MULTIPLE_BOOLEAN" Error Aws "A truth value is compared with both true and false."
        "The condition then says no more than that the key is there. Use one value (R82).";
    EmptyObjectCondition "EMPTY_OBJECT_CONDITION" Suggestion Aws "The condition is empty."
        "An empty condition imposes nothing (R30). Remove it, or say what was meant.";
    EmptyArrayCondition "EMPTY_ARRAY_CONDITION" Suggestion Aws "The list of values is empty."
        "The condition never holds, and the statement never applies (R29).";
    EmptyArrayConditionForAllValues "EMPTY_ARRAY_CONDITION_FORALLVALUES" Suggestion Aws "ForAllValues has an empty list."
        "It holds only when the key is missing (R29). Say so with Null.";
    EmptyArrayConditionForAnyValue "EMPTY_ARRAY_CONDITION_FORANYVALUE" Suggestion Aws "ForAnyValue has an empty list."
        "It never holds, and the statement never applies (R91).";
    EmptyArrayConditionIfExists "EMPTY_ARRAY_CONDITION_IFEXISTS" Suggestion Aws "An IfExists operator has an empty list."
        "It holds only when the key is missing (R94). Say so with Null.";
    WildcardWithoutLikeOperator "WILDCARD_WITHOUT_LIKE_OPERATOR" Warning Aws "A wildcard stands where it is plain text."
        "StringEquals takes `*` and `?` as they stand (R77). Use StringLike for patterns.";
    SensitiveKeyWithWildcard "SENSITIVE_KEY_WITH_WILDCARD" SecurityWarning Portcullis "A key that tells accounts apart is compared with a pattern."
        "Account, organization, VPC and endpoint ids are to be compared whole (R107); a pattern lets strangers with similar ids in.";
    ImproveIpRange "IMPROVE_IP_RANGE" Suggestion Aws "The address has bits beyond its prefix."
        "The bits beyond the prefix are ignored (R84). Write the network's own address.";
    PrivateIpAddress "PRIVATE_IP_ADDRESS" Error Aws "aws:SourceIp is compared with private addresses only."
        "aws:SourceIp is a public address. Use aws:VpcSourceIp for private ones.";
    PrivateNotIpAddress "PRIVATE_NOT_IP_ADDRESS" Error Aws "aws:SourceIp is kept from private addresses only."
        "aws:SourceIp is a public address: the condition always holds. Use aws:VpcSourceIp for private ones.";
    PrivateIpAddressSubset "PRIVATE_IP_ADDRESS_SUBSET" Suggestion Aws "aws:SourceIp is compared with private addresses too."
        "aws:SourceIp is a public address. The private ranges match nothing.";
    PrivateNotIpAddressSubset "PRIVATE_NOT_IP_ADDRESS_SUBSET" Suggestion Aws "aws:SourceIp is kept from private addresses too."
        "aws:SourceIp is a public address. The private ranges have no effect.";
    InvalidVpcFormat "INVALID_VPC_FORMAT" Error Aws "The value is no VPC's id."
        "Ids of VPCs are vpc- and 8 or 17 letters and digits.";
    InvalidVpcEndpointFormat "INVALID_VPC_ENDPOINT_FORMAT" Error Aws "The value is no VPC endpoint's id."
        "Ids of VPC endpoints are vpce- and 8 or 17 letters and digits.";
    InvalidRegion "INVALID_REGION" Error Aws "The region does not exist."
        "aws:RequestedRegion holds regions such as us-east-1.";
    RedundantConditionValueNum "REDUNDANT_CONDITION_VALUE_NUM" Suggestion Aws "Only one of the numbers counts."
        "One value is enough for the operator (R73), so the widest decides. Keep that one.";
    MissingPairedConditionKeys "MISSING_PAIRED_CONDITION_KEYS" SecurityWarning Aws "The key means little without its partner."
        "Private addresses are the same in every VPC. Say which VPC with aws:SourceVpc.";
    MfaWithIfExists "MFA_WITH_IF_EXISTS" SecurityWarning Portcullis "The MFA condition also holds without MFA."
        "Requests with long-term keys do not carry the key, and IfExists lets them pass (R160). Use Bool.";
    MfaDenyMissesLongTermKeys "MFA_DENY_MISSES_LONG_TERM_KEYS" SecurityWarning Portcullis "The MFA denial spares long-term keys."
        "Requests with long-term keys do not carry the key, so Bool false does not hold for them (R160). Use BoolIfExists.";
    MfaByNull "MFA_BY_NULL" SecurityWarning Portcullis "Presence of the MFA key is taken for MFA."
        "Temporary credentials carry the key also without MFA, as false (R160). Compare it with true.";
    ConditionNeverHolds "CONDITION_NEVER_HOLDS" Warning Portcullis "Two conditions exclude each other."
        "All operators must hold (R73), and these two cannot at once: the statement never applies.";

    // Policy variables (R51-R60).
    MissingBraceInVariable "MISSING_BRACE_IN_VARIABLE" Error Aws "A variable lacks its closing brace."
        "Without the brace it is plain text (R60).";
    EmptyVariable "EMPTY_VARIABLE" Error Aws "A variable names no key."
        "Write a condition key between the braces.";
    UnsupportedSpaceInVariable "UNSUPPORTED_SPACE_IN_VARIABLE" Error Aws "A variable's name holds a space."
        "Names hold no spaces; only the default is set off by a comma and one space (R56, R60).";
    MissingQuoteInVariable "MISSING_QUOTE_IN_VARIABLE" Error Aws "A variable's default is not in single quotes."
        "Defaults are written ${key, 'text'} (R56).";
    UnsupportedSymbolInVariable "UNSUPPORTED_SYMBOL_IN_VARIABLE" Error Aws "A variable's name holds a symbol."
        "Between the braces stands a condition key, or one of the escapes `*`, `?` and `$` (R51, R55).";
    VariableUnsupportedInElement "VARIABLE_UNSUPPORTED_IN_ELEMENT" Error Aws "A variable stands where none is replaced."
        "Variables are replaced in the resource part of ARNs and in condition values (R52, R53). Here it is plain text, or the entry matches nothing.";
    VariableUnsupportedInVersion "VARIABLE_UNSUPPORTED_IN_VERSION" Error Aws "The policy's version has no variables."
        "Variables need Version 2012-10-17; here they are plain text (R51).";
    InvalidVariableForOperator "INVALID_VARIABLE_FOR_OPERATOR" Error Aws "The operator takes no variables."
        "Only String and Arn operators and Bool replace variables (R52).";
    UnknownVariable "UNKNOWN_VARIABLE" Error Portcullis "The variable's condition key does not exist."
        "A variable without value makes its entry match nothing (R57, R58).";
    MultiValuedVariable "MULTI_VALUED_VARIABLE" Warning Portcullis "The variable's key has several values."
        "Keys with several values cannot be variables; the variable has no value (R59).";

    // Dangerous grants (R149-R151; risk tags of the reference).
    PassRoleWithStarInResource "PASS_ROLE_WITH_STAR_IN_RESOURCE" SecurityWarning Aws "Any role may be passed to any service."
        "Whoever can pass every role has the rights of the strongest. Name the roles, or say to which service with iam:PassedToService (R150).";
    PassRoleWithStarInActionAndResource "PASS_ROLE_WITH_STAR_IN_ACTION_AND_RESOURCE" SecurityWarning Aws "A wildcard action includes passing any role."
        "The wildcard covers iam:PassRole on every role. Name the actions, the roles, or the services with iam:PassedToService (R150).";
    PassRoleWithStarInResourceAndNotAction "PASS_ROLE_WITH_STAR_IN_RESOURCE_AND_NOT_ACTION" SecurityWarning Aws "NotAction includes passing any role."
        "iam:PassRole is among what NotAction leaves. Add it to the list, or say to which service with iam:PassedToService (R150).";
    PassRoleWithNotResource "PASS_ROLE_WITH_NOT_RESOURCE" SecurityWarning Aws "All roles but a few may be passed."
        "NotResource leaves every other role, and all that will ever be made. Name the roles.";
    PassRoleWithStarInActionAndNotResource "PASS_ROLE_WITH_STAR_IN_ACTION_AND_NOT_RESOURCE" SecurityWarning Aws "A wildcard action includes passing all roles but a few."
        "The wildcard covers iam:PassRole, and NotResource leaves every other role. Name actions and roles.";
    PassRoleWithNotActionAndNotResource "PASS_ROLE_WITH_NOT_ACTION_AND_NOT_RESOURCE" SecurityWarning Aws "NotAction and NotResource include passing roles."
        "iam:PassRole is among what NotAction leaves, on every role NotResource leaves. Name actions and roles.";
    PassRoleWithoutPassedToService "PASS_ROLE_WITHOUT_PASSED_TO_SERVICE" Warning Portcullis "The roles may be passed to any service."
        "Say to which service with iam:PassedToService, such as ecs-tasks.amazonaws.com for task roles (R150).";
    CreateSlrWithStarInResource "CREATE_SLR_WITH_STAR_IN_RESOURCE" Warning Aws "Service-linked roles of every service may be made."
        "Say for which service with iam:AWSServiceName, or name the roles.";
    CreateSlrWithStarInActionAndResource "CREATE_SLR_WITH_STAR_IN_ACTION_AND_RESOURCE" Warning Aws "A wildcard action includes making service-linked roles."
        "The wildcard covers iam:CreateServiceLinkedRole for every service. Name the actions or the roles.";
    CreateSlrWithStarInResourceAndNotAction "CREATE_SLR_WITH_STAR_IN_RESOURCE_AND_NOT_ACTION" Warning Aws "NotAction includes making service-linked roles."
        "iam:CreateServiceLinkedRole is among what NotAction leaves. Add it to the list, or name the roles.";
    CreateSlrWithNotResource "CREATE_SLR_WITH_NOT_RESOURCE" Warning Aws "Service-linked roles may be made but for a few."
        "NotResource leaves every other role. Name the roles.";
    CreateSlrWithStarInActionAndNotResource "CREATE_SLR_WITH_STAR_IN_ACTION_AND_NOT_RESOURCE" Warning Aws "A wildcard action includes making service-linked roles but for a few."
        "The wildcard covers iam:CreateServiceLinkedRole. Name actions and roles.";
    CreateSlrWithNotActionAndNotResource "CREATE_SLR_WITH_NOT_ACTION_AND_NOT_RESOURCE" Warning Aws "NotAction and NotResource include making service-linked roles."
        "iam:CreateServiceLinkedRole is among what NotAction leaves. Name actions and roles.";
    PrivilegeEscalation "PRIVILEGE_ESCALATION" SecurityWarning Portcullis "An action that raises rights is allowed on everything."
        "Whoever may do this can give themselves, or something they control, more rights. Limit it to resources, or require a permissions boundary.";
    CredentialsExposure "CREDENTIALS_EXPOSURE" SecurityWarning Portcullis "An action that hands out credentials is allowed on everything."
        "It returns or makes credentials. Limit it to the resources that need it.";

    ExecDenyWithoutStartSession "EXEC_DENY_WITHOUT_START_SESSION" Suggestion Portcullis "ECS Exec is denied, its session is not."
        "ECS Exec opens a session of Systems Manager, and whoever may call ssm:StartSession can do that directly. Deny it on arn:aws:ecs:*:*:task/*, too.";

    // Statements together.
    RedundantStatement "REDUNDANT_STATEMENT" Suggestion Aws "Another statement covers this one already."
        "It adds nothing. Remove it, or the wider one, if you did not mean that to reach so far.";
    ConditionMadePointless "CONDITION_MADE_POINTLESS" SecurityWarning Portcullis "Another statement allows the same without the condition."
        "Statements add up: what one allows without a condition, the condition of another cannot take back (R114). Remove the wider one.";
    ConditionPartlyPointless "CONDITION_PARTLY_POINTLESS" Warning Portcullis "For some actions another statement allows the same without the condition."
        "Statements add up (R114): for these actions the condition changes nothing. Remove them here, or from the wider statement.";
    AllowAlwaysDenied "ALLOW_ALWAYS_DENIED" Warning Portcullis "Another statement denies all of this."
        "A denial always wins (R115), so this statement grants nothing.";

    // Organization policies (R32).
    ScpNeedsFullLanguage "SCP_NEEDS_FULL_LANGUAGE" Suggestion Portcullis "The service control policy uses what was long refused."
        "Until AWS opened the whole language to them, service control policies took no Condition, NotAction or resources with Allow, no NotResource, and `*` in actions only at the end (R32).";
    RcpSyntaxErrorNotAction "RCP_SYNTAX_ERROR_NOTACTION" Error Aws "A resource control policy has NotAction."
        "Resource control policies take Action only.";
    RcpSyntaxErrorAllow "RCP_SYNTAX_ERROR_ALLOW" Error Aws "A resource control policy allows."
        "Resource control policies of your own take Deny only; what AWS attaches allows everything already.";
    RcpPrincipal "RCP_SYNTAX_ERROR_PRINCIPAL" Error Aws "A resource control policy names somebody."
        "The principal of a resource control policy is `*`; say who in a condition.";
    RcpServiceNotCovered "RCP_SERVICE_NOT_COVERED" Warning Portcullis "Resource control policies do not reach this service."
        "They bind the resources of some services only; for others the statement has no effect.";

    // What no other check explains.
    RefusedByIam "REFUSED_BY_IAM" Error Portcullis "IAM refuses the document."
        "IAM's own check when the policy is written refuses it with these words.";
}
