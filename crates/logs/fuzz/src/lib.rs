//! What the fuzz targets run; the tests of portcullis-logs replay their corpus with the same functions.

pub mod targets;
