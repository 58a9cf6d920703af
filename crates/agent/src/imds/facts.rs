//! What the host knows of itself.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use http::Uri;
use portcullis_core::{Arn, Tags, Timestamp};
use serde_json::json;

use super::role::HostRole;
use super::tree::Tree;
use super::{InstanceMetadata, Parts, address};

/// Facts that do not change while the agent runs.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) partition: String,
    pub(super) account: String,
    pub(super) region: String,
    /// As an instance whose credentials do not say it is named in DescribeInstances.
    pub(super) instance_id: String,
    pub(super) hostname: String,
    pub(super) address: Option<Ipv4Addr>,
    pub(super) mac: Option<String>,
    pub(super) instance_type: Option<String>,
    pub(super) image_id: Option<String>,
    pub(super) tags: Option<Tags>,
    pub(super) since: Timestamp,
}

impl Facts {
    /// Finds out what can be found out.
    pub(super) async fn collect(
        container_instance: &str,
        parts: &Parts,
        settings: &InstanceMetadata,
    ) -> Self {
        let arn: Option<Arn> = container_instance.parse().ok();
        let address = own_address(parts.plane.url());
        let mac = match address {
            Some(address) => address::mac_of(IpAddr::V4(address)).await,
            None => None,
        };
        let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Self {
            partition: arn
                .as_ref()
                .map_or_else(|| "aws".to_owned(), |arn| arn.partition().to_owned()),
            account: arn
                .as_ref()
                .map(|arn| arn.account().to_owned())
                .unwrap_or_default(),
            region: parts.region.as_str().to_owned(),
            instance_id: instance_id(container_instance),
            hostname: hostname.trim().to_owned(),
            address,
            mac,
            instance_type: settings.instance_type.clone(),
            image_id: settings.image_id.clone(),
            tags: settings.show_tags.then(|| parts.tags.clone()),
            since: parts.seams.clock.now(),
        }
    }

    /// The id the role's session says, as EC2 and SSM name sessions of hosts; else the container instance's.
    pub(super) fn instance_id<'a>(&'a self, role: Option<&'a HostRole>) -> &'a str {
        let session = role.map(|role| role.session.as_str());
        session
            .filter(|name| name.starts_with("i-") || name.starts_with("mi-"))
            .unwrap_or(&self.instance_id)
    }

    fn zone(&self) -> String {
        format!("{}a", self.region)
    }

    /// Everything but the credentials themselves.
    pub(super) fn tree(&self, role: Option<&HostRole>) -> Tree {
        let mut tree = Tree::default();
        let mut put = |name: &str, value: Option<String>| tree.put_some(format!("meta-data/{name}"), value);
        put("ami-id", self.image_id.clone());
        put("hostname", Some(self.hostname.clone()));
        put("instance-id", Some(self.instance_id(role).to_owned()));
        put("instance-type", self.instance_type.clone());
        put("local-hostname", Some(self.hostname.clone()));
        put("local-ipv4", self.address.map(|address| address.to_string()));
        put("mac", self.mac.clone());
        put("placement/availability-zone", Some(self.zone()));
        put("placement/region", Some(self.region.clone()));
        put("services/domain", Some("amazonaws.com".to_owned()));
        put("services/partition", Some(self.partition.clone()));
        if let (Some(mac), Some(address)) = (&self.mac, self.address) {
            let interface = format!("network/interfaces/macs/{mac}");
            put(&format!("{interface}/device-number"), Some("0".to_owned()));
            put(&format!("{interface}/local-ipv4s"), Some(address.to_string()));
            put(&format!("{interface}/mac"), Some(mac.clone()));
        }
        for tag in self.tags.iter().flat_map(Tags::iter) {
            // EC2 refuses such keys with tags in metadata: they are no names of files.
            if !tag.key.contains(['/', ' ']) && !matches!(tag.key.as_str(), "." | ".." | "_index") {
                put(&format!("tags/instance/{}", tag.key), Some(tag.value.clone()));
            }
        }
        tree.put("dynamic/instance-identity/document", self.document(role));
        tree
    }

    /// The identity document, laid out as EC2's. There is no signature of AWS's over it, so that none is served.
    fn document(&self, role: Option<&HostRole>) -> String {
        let members = [
            ("accountId", json!(self.account)),
            ("architecture", json!(architecture())),
            ("availabilityZone", json!(self.zone())),
            ("billingProducts", json!(null)),
            ("devpayProductCodes", json!(null)),
            ("marketplaceProductCodes", json!(null)),
            ("imageId", json!(self.image_id)),
            ("instanceId", json!(self.instance_id(role))),
            ("instanceType", json!(self.instance_type)),
            ("kernelId", json!(null)),
            ("pendingTime", json!(self.since.to_iso())),
            ("privateIp", json!(self.address)),
            ("ramdiskId", json!(null)),
            ("region", json!(self.region)),
            ("version", json!("2017-09-30")),
        ];
        let lines: Vec<_> = members
            .iter()
            .map(|(name, value)| format!("  \"{name}\" : {value}"))
            .collect();
        format!("{{\n{}\n}}", lines.join(",\n"))
    }
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        other => other,
    }
}

/// `i-` and the first 17 digits of the container instance's id, as the control plane's DescribeInstances names it.
fn instance_id(container_instance: &str) -> String {
    let id = container_instance.rsplit('/').next().unwrap_or_default();
    format!("i-{}", id.get(..17).unwrap_or(id))
}

/// The address this host has towards the control plane. Connecting a UDP socket asks the routing table and sends nothing.
fn own_address(plane: &Uri) -> Option<Ipv4Addr> {
    let host = plane.host()?;
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((host, plane.port_u16().unwrap_or(80))).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(address) if !address.is_loopback() => Some(address),
        _ => None,
    }
}
