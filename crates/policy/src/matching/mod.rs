//! Does one element of a statement match one request? Nothing here allocates unless a variable is replaced.

pub(crate) mod action;
pub(crate) mod compare;
pub(crate) mod condition;
pub(crate) mod date;
pub(crate) mod decimal;
pub(crate) mod glob;
pub(crate) mod network;
pub(crate) mod operator;
pub(crate) mod principal;
pub(crate) mod resource;
pub(crate) mod statement;
pub(crate) mod variable;
