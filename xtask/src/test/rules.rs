//! Every rule of the policy language has a test, every open point a function, a test and a row.

use anyhow::Result;

use super::Session;
use crate::rules;

pub fn run(_: &mut Session) -> Result<()> {
    rules::check()
}
