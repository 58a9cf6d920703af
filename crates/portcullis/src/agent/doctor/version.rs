//! Versions of engines, and which of them have known ways out of a container (reliability-and-security.md 5).

/// A version as three numbers, and whether somebody built it with changes of his own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    pub numbers: (u32, u32, u32),
    /// `-rc.N`, which comes before the version itself.
    pub candidate: Option<u32>,
    /// A distribution's build: it may have been mended without a new number.
    pub is_distribution: bool,
}

impl Version {
    /// Reads `1.2.8`, `v1.7.24`, `20.10.24+dfsg1`, `1.1.5+ds1-1+deb12u1`, `1.4.0-rc.3`, `1.0.0~rc93`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches('v');
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (numbers, rest) = text.split_at_checked(end)?;
        let mut parts = numbers
            .split('.')
            .filter(|part| !part.is_empty())
            .map(|part| part.parse().ok());
        let major = parts.next()??;
        let numbers = (
            major,
            parts.next().flatten().unwrap_or(0),
            parts.next().flatten().unwrap_or(0),
        );
        let candidate = rest.trim_start_matches(['-', '~', '.']).strip_prefix("rc");
        let candidate = candidate.map(|rest| {
            let digits: String = rest
                .trim_start_matches('.')
                .chars()
                .take_while(char::is_ascii_digit)
                .collect();
            digits.parse().unwrap_or(0)
        });
        Some(Self {
            numbers,
            candidate,
            is_distribution: ["+", "dfsg", "ubuntu", "~deb", ".el", ".fc", ".amzn"]
                .iter()
                .any(|mark| rest.contains(mark)),
        })
    }

    fn is_before(self, other: (u32, u32, u32)) -> bool {
        self.numbers < other || (self.numbers == other && self.candidate.is_some())
    }
}

/// The escapes through `/dev/null`, `/dev/console` and procfs of November 2025: mended in 1.2.8, 1.3.3 and 1.4.0-rc.3.
pub(super) fn runc_lets_out(version: Version) -> bool {
    match version.numbers {
        (1, 2, _) => version.is_before((1, 2, 8)),
        (1, 3, _) => version.is_before((1, 3, 3)),
        (1, 4, 0) => version.candidate.is_some_and(|candidate| candidate < 3),
        _ => version.is_before((1, 2, 8)),
    }
}

/// Authorization plugins can be passed by: mended in 29.3.1.
pub(super) fn docker_passes_plugins(version: Version) -> bool {
    version.is_before((29, 3, 1))
}

/// The shim's socket can be reached from containers in host mode: mended in 1.3.9 and 1.4.3.
pub(super) fn containerd_shim_is_open(version: Version) -> bool {
    match version.numbers {
        (1, 3, _) => version.is_before((1, 3, 9)),
        _ => version.is_before((1, 4, 3)),
    }
}
