//! What a request may weigh. Checked on the raw bytes, before anything is parsed
//! (reliability-and-security.md section 4, item 5).

use thiserror::Error;

/// Largest body in bytes.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Deepest nesting, of JSON and of parameter names alike.
pub const MAX_DEPTH: usize = 64;
/// Most members and elements of a JSON text.
pub const MAX_JSON_ITEMS: usize = 20_000;
/// Most parameters of a form.
pub const MAX_PARAMETERS: usize = 1_000;

/// What one request may weigh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest body in bytes.
    pub body_bytes: usize,
    /// Most members and elements of a JSON text.
    pub items: usize,
}

impl Limits {
    /// For all but a few operations.
    pub const COMMON: Self = Self {
        body_bytes: MAX_BODY_BYTES,
        items: MAX_JSON_ITEMS,
    };

    /// Of an operation, by the name it has in `X-Amz-Target`: some carry data.
    pub fn of(target: &str) -> Self {
        match target {
            // 1 MiB of messages, each character escaped; 10,000 events of two members.
            "Logs_20140328.PutLogEvents" => Self {
                body_bytes: 8 * 1024 * 1024,
                items: 80_000,
            },
            // Parts of up to 20 MiB in base64.
            "AmazonEC2ContainerRegistry_V20150921.UploadLayerPart" => Self {
                body_bytes: 28 * 1024 * 1024,
                items: MAX_JSON_ITEMS,
            },
            // Manifests of up to 4 MiB, escaped.
            "AmazonEC2ContainerRegistry_V20150921.PutImage" => Self {
                body_bytes: 10 * 1024 * 1024,
                items: MAX_JSON_ITEMS,
            },
            _ => Self::COMMON,
        }
    }
}

/// A request is heavier than we read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Excess {
    /// More than the operation may have; [`MAX_BODY_BYTES`] for most.
    #[error("Request size exceeded the limit of this operation.")]
    Body,
    /// Deeper than [`MAX_DEPTH`].
    #[error("Nesting exceeded {MAX_DEPTH} levels.")]
    Depth,
    /// More than [`MAX_JSON_ITEMS`] or [`MAX_PARAMETERS`].
    #[error("Too many members or parameters.")]
    Count,
}

/// Checks the size of a body.
pub fn check_body(body: &[u8], limits: Limits) -> Result<(), Excess> {
    if body.len() > limits.body_bytes {
        Err(Excess::Body)
    } else {
        Ok(())
    }
}

/// Checks size, depth and count of a JSON text, which need not be well-formed.
pub fn check_json(text: &[u8], limits: Limits) -> Result<(), Excess> {
    check_body(text, limits)?;
    let (mut depth, mut items) = (0_usize, 0_usize);
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' | b':' => items += 1,
            _ => continue,
        }
        if depth > MAX_DEPTH {
            return Err(Excess::Depth);
        }
        if items > limits.items {
            return Err(Excess::Count);
        }
    }
    Ok(())
}

fn skip_string(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}

/// Checks size and count of a form.
pub fn check_form(text: &[u8]) -> Result<(), Excess> {
    check_body(text, Limits::COMMON)?;
    let separators = text.iter().filter(|byte| **byte == b'&').count();
    if separators >= MAX_PARAMETERS {
        Err(Excess::Count)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_inside_strings_are_no_depth() {
        let text = format!("{{\"a\":\"{}\\\"{}\"}}", "[".repeat(100), "{".repeat(100));
        assert_eq!(check_json(text.as_bytes(), Limits::COMMON), Ok(()));
        assert_eq!(
            check_json("[".repeat(MAX_DEPTH).as_bytes(), Limits::COMMON),
            Ok(())
        );
        assert_eq!(
            check_json("[".repeat(MAX_DEPTH + 1).as_bytes(), Limits::COMMON),
            Err(Excess::Depth)
        );
    }

    #[test]
    fn sizes_and_counts_are_limited() {
        assert_eq!(
            check_json(&vec![b' '; MAX_BODY_BYTES + 1], Limits::COMMON),
            Err(Excess::Body)
        );
        assert_eq!(
            check_json(",".repeat(MAX_JSON_ITEMS + 1).as_bytes(), Limits::COMMON),
            Err(Excess::Count)
        );
        assert_eq!(
            check_form("a=b&".repeat(MAX_PARAMETERS).as_bytes()),
            Err(Excess::Count)
        );
        assert_eq!(check_form("a=b&".repeat(MAX_PARAMETERS - 1).as_bytes()), Ok(()));
    }
}
