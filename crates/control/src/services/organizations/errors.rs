//! Every error of Organizations with its code and text.

use thiserror::Error;

use crate::gate::error::ServiceError;

/// The refusal of what only the management account may; an AccessDeniedException.
pub(super) const NOT_MANAGEMENT: &str = "You don't have permissions to access this resource.";

/// Why Organizations refuses a call.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum OrganizationsError {
    #[error("The provided account is already a member of an organization.")]
    AlreadyInOrganization,
    #[error("Your account is not a member of an organization.")]
    NotInUse,
    #[error("You specified an account that doesn't exist.")]
    NoAccount,
    #[error("We can't find a create account request with the id {0}.")]
    NoRequest(String),
    #[error("You have exceeded the allowed number of AWS accounts.")]
    TooManyAccounts,
    #[error("You provided a value that does not match the required pattern.")]
    Token,
}

impl OrganizationsError {
    fn code(&self) -> &'static str {
        match self {
            Self::AlreadyInOrganization => "AlreadyInOrganizationException",
            Self::NotInUse => "AWSOrganizationsNotInUseException",
            Self::NoAccount => "AccountNotFoundException",
            Self::NoRequest(_) => "CreateAccountStatusNotFoundException",
            Self::TooManyAccounts => "ConstraintViolationException",
            Self::Token => "InvalidInputException",
        }
    }

    /// The `Reason` member of the errors that have one.
    fn reason(&self) -> Option<&'static str> {
        match self {
            Self::TooManyAccounts => Some("ACCOUNT_NUMBER_LIMIT_EXCEEDED"),
            Self::Token => Some("INVALID_NEXT_TOKEN"),
            _ => None,
        }
    }
}

impl From<OrganizationsError> for ServiceError {
    fn from(error: OrganizationsError) -> Self {
        let plain = Self::new(error.code(), 400, error.to_string());
        match error.reason() {
            Some(reason) => plain.with_field("Reason", reason.into()),
            None => plain,
        }
    }
}
