//! Patterns told as plainly as they can be, written down and evaluated without looking at the text again.

pub mod fields;
pub mod json;
pub mod terms;
