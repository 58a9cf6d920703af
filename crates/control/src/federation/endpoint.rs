//! Addresses of providers: which may be registered, and which may be contacted.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;

/// An address a provider may be found at: https, or plain http on this machine only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether TLS is spoken.
    pub(crate) secure: bool,
    /// Host name or address, without brackets.
    pub(crate) host: String,
    /// Host and port as the address says.
    pub(crate) authority: String,
    /// The port.
    pub(crate) port: u16,
    /// Path and query.
    pub(crate) target: String,
}

impl Endpoint {
    /// Reads an issuer; `None` if it may not be registered. An issuer has no query, and only letters that mean nothing
    /// else in an ARN.
    pub fn parse(url: &str) -> Option<Self> {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-._~:/@+=,%[]".contains(letter);
        let url = Some(url).filter(|url| url.chars().all(is_plain))?;
        Self::with_query(url)
    }

    /// Reads the address of a document.
    pub(crate) fn with_query(url: &str) -> Option<Self> {
        if url.contains('#') {
            return None;
        }
        let uri: Uri = url.parse().ok()?;
        let secure = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || authority.as_str().contains('@') {
            return None;
        }
        let port = match authority.port() {
            Some(port) => Some(port.as_u16()).filter(|port| *port != 0)?,
            None if authority.as_str().ends_with(':') => return None,
            None if secure => 443,
            None => 80,
        };
        let endpoint = Self {
            secure,
            host: host.to_owned(),
            authority: authority.as_str().to_owned(),
            port,
            target: uri.path_and_query()?.as_str().to_owned(),
        };
        (secure || endpoint.is_loopback()).then_some(endpoint)
    }

    /// The discovery document below an issuer.
    pub(super) fn discovery(&self) -> Self {
        let below = self.target.trim_end_matches('/');
        Self {
            target: format!("{below}/.well-known/openid-configuration"),
            ..self.clone()
        }
    }

    /// Whether both are one server: what is meant for the one may be told the other.
    pub(crate) fn is_same_server(&self, other: &Self) -> bool {
        let same = self.secure == other.secure && self.port == other.port;
        same && self.host.eq_ignore_ascii_case(&other.host)
    }

    /// Whether the address names this machine.
    pub(super) fn is_loopback(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(address) => address.to_canonical().is_loopback(),
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        }
    }

    /// Whether a connection may be opened to an address this endpoint's name stands for. A name that is not this machine's
    /// never leads here, and nothing leads to link-local addresses, where machines keep their credentials.
    pub(super) fn may_be_at(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if self.is_loopback() || address.is_loopback() {
            return self.is_loopback() && address.is_loopback();
        }
        match address {
            IpAddr::V4(address) => is_ordinary_v4(address),
            IpAddr::V6(address) => is_ordinary_v6(address),
        }
    }
}

fn is_ordinary_v4(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    // 0/8 is this network, 240/4 is reserved and holds the broadcast address.
    first != 0 && first < 240 && !address.is_loopback() && !address.is_link_local() && !address.is_multicast()
}

fn is_ordinary_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    match parts {
        // IPv4 addresses in the clothes of NAT64.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            is_ordinary_v4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
        }
        // Old IPv4-compatible addresses, and local NAT64 and 6to4, which hide IPv4 addresses as well.
        [0, 0, 0, 0, 0, 0, _, _] | [0x64, 0xff9b, 1, ..] | [0x2002, ..] => false,
        // fd00:ec2::/32: instance metadata and its kin.
        [0xfd00, 0x0ec2, ..] => false,
        _ => !address.is_unicast_link_local() && !address.is_multicast(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuers_are_https_or_on_this_machine() {
        for good in [
            "https://token.actions.githubusercontent.com",
            "https://tenant.example.com/",
            "https://example.com:8443/realms/one",
            "http://127.0.0.1:9000",
            "http://localhost:9000/dex",
            "http://[::1]:9000",
        ] {
            assert!(Endpoint::parse(good).is_some(), "{good}");
        }
        for bad in [
            "http://example.com",
            "http://localhost.example.com",
            "http://127.0.0.1.nip.io",
            "ftp://example.com",
            "example.com",
            "https://",
            "https://user@example.com",
            "https://example.com?x=y",
            "https://example.com#x",
            "https://example.com:0",
            "https://exa mple.com",
            "https://example.com/*",
            "https://example.com/$",
            "",
        ] {
            assert!(Endpoint::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_discovery_document_is_below_the_issuer() {
        for (issuer, target) in [
            ("https://a.example", "/.well-known/openid-configuration"),
            ("https://a.example/", "/.well-known/openid-configuration"),
            ("https://a.example/x/", "/x/.well-known/openid-configuration"),
            ("https://a.example/x", "/x/.well-known/openid-configuration"),
        ] {
            assert_eq!(Endpoint::parse(issuer).unwrap().discovery().target, target);
        }
    }

    #[test]
    fn names_never_lead_to_link_local_addresses_nor_home() {
        let public = Endpoint::parse("https://idp.example.com").unwrap();
        for bad in [
            "127.0.0.1",
            "::1",
            "::ffff:127.0.0.1",
            "169.254.169.254",
            "169.254.170.2",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b::7f00:1",
            "64:ff9b:1::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "fe80::1",
            "febf::1",
            "fd00:ec2::254",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
        ] {
            assert!(!public.may_be_at(bad.parse().unwrap()), "{bad}");
        }
        for good in ["192.0.2.1", "10.1.2.3", "2001:db8::1", "64:ff9b::c000:201"] {
            assert!(public.may_be_at(good.parse().unwrap()), "{good}");
        }
        let home = Endpoint::parse("http://localhost:9000").unwrap();
        assert!(home.may_be_at("127.0.0.1".parse().unwrap()));
        assert!(home.may_be_at("::1".parse().unwrap()));
        assert!(!home.may_be_at("192.0.2.1".parse().unwrap()));
    }
}
