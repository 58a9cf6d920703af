//! What holds for the tags of every service.

/// What the keys of AWS's own tags start with, in any case: nobody else gives or takes such.
const RESERVED: &str = "aws:";

/// Whether a key is one of AWS's own.
pub(crate) fn is_reserved(key: &str) -> bool {
    let start = key.get(..RESERVED.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(RESERVED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_aws_are_reserved_in_any_case() {
        for key in ["aws:", "aws:x", "AWS:x", "aWs:cloudformation:stack-name"] {
            assert!(is_reserved(key), "{key}");
        }
        for key in ["", "aws", "awsx:", "a", "äws:", "xaws:"] {
            assert!(!is_reserved(key), "{key}");
        }
    }
}
