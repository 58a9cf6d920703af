//! What a registry says that it wants before it answers: `WWW-Authenticate`.

/// What a registry wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User name and password with every request.
    Basic,
    /// A token that another address gives.
    Bearer { realm: String, service: Option<String> },
}

impl Challenge {
    /// Reads a challenge.
    pub fn read(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let realm = parameter(rest, "realm")?;
        let service = parameter(rest, "service");
        Some(Self::Bearer { realm, service })
    }
}

/// The value of `name="value"`; commas in quotes part nothing.
fn parameter(text: &str, name: &str) -> Option<String> {
    let mut rest = text.trim();
    while let Some((key, after)) = rest.split_once('=') {
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_once(',').unwrap_or((after, "")),
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value.trim().to_owned());
        }
        rest = next.trim_start_matches([',', ' ']);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let bearer = |realm: &str, service: Option<&str>| {
            let service = service.map(str::to_owned);
            let realm = realm.to_owned();
            Some(Challenge::Bearer { realm, service })
        };
        for (header, expected) in [
            ("Basic realm=\"x\"", Some(Challenge::Basic)),
            ("basic", Some(Challenge::Basic)),
            (
                "Bearer realm=\"https://a/token\",service=\"b\",scope=\"repository:x:pull,push\"",
                bearer("https://a/token", Some("b")),
            ),
            (
                "Bearer scope=\"repository:x:pull,push\", realm=\"https://a/token\"",
                bearer("https://a/token", None),
            ),
            (
                "Bearer realm=https://a/token,service=b",
                bearer("https://a/token", Some("b")),
            ),
            ("Bearer service=\"b\"", None),
            ("Bearer realm=\"never ends", None),
            ("Negotiate", None),
            ("", None),
        ] {
            assert_eq!(Challenge::read(header), expected, "{header}");
        }
    }
}
