//! SCIM over the real listener.

mod groups;
mod leaving;
pub mod provider;
mod tokens;
mod users;
