//! The update of an instance's agent (ecs.md 8): PENDING, STAGING, STAGED, UPDATING, then UPDATED or FAILED. Pure: what
//! happened goes in, what holds now comes out.

use portcullis_core::Timestamp;
use portcullis_wire::agent_build::SignedBuild;
use serde::{Deserialize, Serialize};

/// An update that nothing was heard of for so long has failed.
const PATIENCE_SECONDS: i64 = 60 * 60;

/// How far an update has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AgentUpdateStatus {
    /// Asked for; the agent is not told yet.
    Pending,
    /// The agent fetches the build and verifies it.
    Staging,
    /// The agent has it.
    Staged,
    /// The agent was told to start it.
    Updating,
    /// It runs.
    Updated,
    /// It does not, and the reason is in the server's log.
    Failed,
}

impl AgentUpdateStatus {
    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Staging => "STAGING",
            Self::Staged => "STAGED",
            Self::Updating => "UPDATING",
            Self::Updated => "UPDATED",
            Self::Failed => "FAILED",
        }
    }

    fn is_final(self) -> bool {
        matches!(self, Self::Updated | Self::Failed)
    }
}

/// The last update of an instance's agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentUpdate {
    /// How far it has come.
    pub status: AgentUpdateStatus,
    /// What shall run.
    pub build: SignedBuild,
    /// Its size in bytes.
    pub size: u64,
    /// Since when `status` holds.
    pub since: Timestamp,
    /// The message the agent has to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Something that happened to an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateEvent<'a> {
    /// An agent of this version opened its session.
    Connected(Option<&'a str>),
    /// It was sent StageUpdateMessage, with this id.
    StageSent(&'a str),
    /// It was sent PerformUpdateMessage, with this id.
    PerformSent(&'a str),
    /// It did what the message with this id says.
    Acknowledged(&'a str),
    /// It will not, and why.
    Refused(&'a str, &'a str),
    /// Time passed.
    TimePassed,
}

/// What an agent has to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateMessage {
    /// StageUpdateMessage.
    Stage,
    /// PerformUpdateMessage.
    Perform,
}

impl AgentUpdate {
    /// An update that was just asked for.
    pub fn new(build: SignedBuild, size: u64, now: Timestamp) -> Self {
        Self {
            status: AgentUpdateStatus::Pending,
            build,
            size,
            since: now,
            message_id: None,
            reason: None,
        }
    }

    /// Whether no other update may begin.
    pub fn is_under_way(&self, now: Timestamp) -> bool {
        !self.status.is_final() && !self.is_late(now)
    }

    fn is_late(&self, now: Timestamp) -> bool {
        now.seconds_since(self.since) >= PATIENCE_SECONDS
    }

    /// Whether the agent may be fetching the build.
    pub fn is_staging(&self) -> bool {
        matches!(
            self.status,
            AgentUpdateStatus::Pending | AgentUpdateStatus::Staging
        )
    }

    /// What the agent has to be told now.
    pub fn due(&self) -> Option<UpdateMessage> {
        match self.status {
            AgentUpdateStatus::Pending => Some(UpdateMessage::Stage),
            AgentUpdateStatus::Staged => Some(UpdateMessage::Perform),
            _ => None,
        }
    }

    /// What holds after an event; `None` when the event changes nothing.
    pub fn after(&self, event: UpdateEvent<'_>, now: Timestamp) -> Option<Self> {
        use AgentUpdateStatus as S;
        use UpdateEvent as E;
        if self.status.is_final() {
            return None;
        }
        let awaited = |id: &str| self.message_id.as_deref() == Some(id);
        match (event, self.status) {
            (E::Connected(version), _) if self.is_reached(version) => Some(self.at(S::Updated, now)),
            // It was told to start the build, and what came back is another: the build was given up.
            (E::Connected(_), S::Updating) => Some(self.failed("the agent came back without the build", now)),
            // What the agent before knew of the update, this one may not.
            (E::Connected(_), S::Staging | S::Staged) => Some(self.at(S::Pending, now)),
            (E::StageSent(id), S::Pending) => Some(self.told(S::Staging, id, now)),
            (E::PerformSent(id), S::Staged) => Some(self.told(S::Updating, id, now)),
            (E::Acknowledged(id), S::Staging) if awaited(id) => Some(self.at(S::Staged, now)),
            (E::Refused(id, reason), S::Staging | S::Updating) if awaited(id) => {
                Some(self.failed(reason, now))
            }
            (E::TimePassed, _) if self.is_late(now) => Some(self.failed("nothing was heard of it", now)),
            _ => None,
        }
    }

    fn is_reached(&self, version: Option<&str>) -> bool {
        let version = version.and_then(|version| version.parse().ok());
        version.is_some_and(|version| self.build.version <= version)
    }

    fn at(&self, status: AgentUpdateStatus, now: Timestamp) -> Self {
        Self {
            status,
            since: now,
            message_id: None,
            ..self.clone()
        }
    }

    fn told(&self, status: AgentUpdateStatus, message_id: &str, now: Timestamp) -> Self {
        Self {
            message_id: Some(message_id.to_owned()),
            ..self.at(status, now)
        }
    }

    fn failed(&self, reason: &str, now: Timestamp) -> Self {
        Self {
            reason: Some(reason.chars().take(512).collect()),
            ..self.at(AgentUpdateStatus::Failed, now)
        }
    }
}

#[cfg(test)]
mod tests {
    use UpdateEvent as E;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_795_304_278 + seconds)
    }

    fn update() -> AgentUpdate {
        let build = SignedBuild {
            version: "2.0.0".parse().unwrap(),
            architecture: "x86_64".to_owned(),
            sha256: "ab".repeat(32),
            signature: String::new(),
        };
        AgentUpdate::new(build, 1, at(0))
    }

    /// The statuses after each event, at second 1, 2, ...
    fn walk(events: &[UpdateEvent<'_>]) -> Vec<&'static str> {
        let mut update = update();
        let mut seen = Vec::new();
        for (second, event) in (1..).zip(events) {
            update = update.after(*event, at(second)).unwrap_or(update);
            seen.push(update.status.as_str());
        }
        seen
    }

    #[test]
    fn ecs_8_an_update_goes_from_pending_to_updated() {
        let old = E::Connected(Some("1.0.0"));
        let events = [
            old,
            E::StageSent("s"),
            E::Acknowledged("other"),
            E::Acknowledged("s"),
            E::PerformSent("p"),
            E::Acknowledged("p"),
            E::TimePassed,
            E::Connected(Some("2.0.0")),
            old,
        ];
        let expected = [
            "PENDING", "STAGING", "STAGING", "STAGED", "UPDATING", "UPDATING", "UPDATING", "UPDATED",
            "UPDATED",
        ];
        assert_eq!(walk(&events), expected);
    }

    #[test]
    fn ecs_8_what_is_refused_or_rolled_back_has_failed() {
        let stage = [
            E::StageSent("s"),
            E::Refused("other", "x"),
            E::Refused("s", "Updates are disabled"),
        ];
        assert_eq!(walk(&stage), ["STAGING", "STAGING", "FAILED"]);
        let begun = [E::StageSent("s"), E::Acknowledged("s"), E::PerformSent("p")];
        let ends = [
            (
                E::Refused("p", "Cannot perform update; update not downloaded"),
                "FAILED",
            ),
            (E::Connected(Some("1.0.0")), "FAILED"),
            (E::Connected(None), "FAILED"),
            (E::Connected(Some("2.0.1")), "UPDATED"),
        ];
        for (end, status) in ends {
            let walked = walk(&[&begun[..], &[end]].concat());
            assert_eq!(walked.last(), Some(&status), "{end:?}");
        }
    }

    #[test]
    fn ecs_8_an_agent_that_was_away_resumes_where_it_stopped() {
        let old = E::Connected(Some("1.0.0"));
        let events = [
            E::StageSent("s"),
            old,
            E::StageSent("t"),
            E::Acknowledged("s"),
            E::Acknowledged("t"),
            old,
        ];
        let expected = ["STAGING", "PENDING", "STAGING", "STAGING", "STAGED", "PENDING"];
        assert_eq!(walk(&events), expected);
    }

    #[test]
    fn an_update_nobody_hears_of_makes_room_for_another() {
        let update = update();
        assert!(update.is_under_way(at(3_599)) && !update.is_under_way(at(3_600)));
        assert_eq!(update.after(E::TimePassed, at(3_599)), None);
        let failed = update.after(E::TimePassed, at(3_600)).unwrap();
        assert_eq!(failed.status, AgentUpdateStatus::Failed);
        assert!(!failed.is_under_way(at(3_600)) && failed.due().is_none());
    }
}
