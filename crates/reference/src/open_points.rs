//! Where AWS is silent about the reach of condition keys, one function per open point decides. Each is named after its rule in
//! the policy-language specification.

/// R112: whether what an identity provider said of a caller (`saml:sub`, `accounts.google.com:aud`) is there for every action
/// of the session. Yes: the reference lists these claims for the STS actions that take the token, but AWS shows policies that
/// test them in the calls that follow. After a change here run `cargo xtask generate`.
pub(crate) fn r112_claims_reach_every_action() -> bool {
    true
}

/// R112: whether a key whose prefix is no service's is there for every action. Yes: only a service's own key can be one that
/// the service does not list.
pub(crate) fn r112_keys_of_no_service_reach_every_action() -> bool {
    true
}
