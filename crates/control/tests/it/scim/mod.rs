//! SCIM over the real listener.

mod groups;
mod leaving;
mod provider;
mod tokens;
mod users;
