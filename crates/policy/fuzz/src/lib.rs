//! What the fuzz targets run; the tests of portcullis-policy replay their corpus with the same functions.

#![expect(dead_code, reason = "the tests use the rest")]

#[path = "../../tests/it/differential/mod.rs"]
mod differential;
#[path = "../../tests/it/generate/mod.rs"]
mod generate;
#[path = "../../tests/it/naive/mod.rs"]
mod naive;
pub mod targets;
