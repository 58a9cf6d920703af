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

/// A request is heavier than we read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Excess {
    /// More than [`MAX_BODY_BYTES`].
    #[error("Request size exceeded {MAX_BODY_BYTES} bytes.")]
    Body,
    /// Deeper than [`MAX_DEPTH`].
    #[error("Nesting exceeded {MAX_DEPTH} levels.")]
    Depth,
    /// More than [`MAX_JSON_ITEMS`] or [`MAX_PARAMETERS`].
    #[error("Too many members or parameters.")]
    Count,
}

/// Checks the size of a body.
pub fn check_body(body: &[u8]) -> Result<(), Excess> {
    if body.len() > MAX_BODY_BYTES {
        Err(Excess::Body)
    } else {
        Ok(())
    }
}

/// Checks size, depth and count of a JSON text, which need not be well-formed.
pub fn check_json(text: &[u8]) -> Result<(), Excess> {
    check_body(text)?;
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
        if items > MAX_JSON_ITEMS {
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
    check_body(text)?;
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
        assert_eq!(check_json(text.as_bytes()), Ok(()));
        assert_eq!(check_json("[".repeat(MAX_DEPTH).as_bytes()), Ok(()));
        assert_eq!(
            check_json("[".repeat(MAX_DEPTH + 1).as_bytes()),
            Err(Excess::Depth)
        );
    }

    #[test]
    fn sizes_and_counts_are_limited() {
        assert_eq!(check_json(&vec![b' '; MAX_BODY_BYTES + 1]), Err(Excess::Body));
        assert_eq!(
            check_json(",".repeat(MAX_JSON_ITEMS + 1).as_bytes()),
            Err(Excess::Count)
        );
        assert_eq!(
            check_form("a=b&".repeat(MAX_PARAMETERS).as_bytes()),
            Err(Excess::Count)
        );
        assert_eq!(check_form("a=b&".repeat(MAX_PARAMETERS - 1).as_bytes()), Ok(()));
    }
}
