//! The log as its readers find it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use portcullis_core::FixedClock;

use super::*;
use crate::config::Rollover;

const TASK: &str = "arn:aws:ecs:us-west-2:111122223333:task/probe/aaaa";
const INSTANCE: &str = "arn:aws:ecs:us-west-2:111122223333:container-instance/probe/0123";
const NOW: i64 = 1_795_304_278;

struct Log {
    folder: tempfile::TempDir,
    clock: Arc<FixedClock>,
    log: AuditLog,
}

impl Log {
    fn new(change: impl FnOnce(&mut AuditSettings, &Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::at(Timestamp::from_seconds(NOW)));
        let mut settings = AuditSettings {
            path: Some(folder.path().join("audit.log")),
            rotation: AuditRotation::default(),
            cluster: "probe".into(),
            compat: false,
        };
        change(&mut settings, folder.path());
        let log = AuditLog::open(
            settings,
            &folder.path().join("outbox"),
            Arc::clone(&clock) as Arc<_>,
        )
        .unwrap();
        log.set_instance(INSTANCE);
        Self { folder, clock, log }
    }

    fn record(&self, status: u16, path: &str, user_agent: &str, granted: Option<(&str, RoleKind)>) {
        self.log.record(&Access {
            status,
            source: "172.17.0.2:38834",
            path,
            user_agent,
            granted,
        });
    }

    fn text(&self) -> String {
        fs::read_to_string(self.folder.path().join("audit.log")).unwrap()
    }

    fn endings(&self) -> Vec<String> {
        let names = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        let mut endings: Vec<_> = names
            .filter_map(|name| Some(name.to_str()?.strip_prefix("audit.log.")?.to_owned()))
            .collect();
        endings.sort();
        endings
    }
}

#[test]
fn agent_2_lines_are_the_genuine_agents() {
    let log = Log::new(|_, _| {});
    let (task, execution) = (RoleKind::TaskApplication, RoleKind::TaskExecution);
    log.record(200, "/v2/credentials", "probe agent/1.0", Some((TASK, task)));
    log.record(200, "/v2/credentials", "", Some((TASK, execution)));
    log.record(400, "/v1/credentials", "probe agent/1.0", None);
    log.record(429, "/v4/zzz", "Wget", None);
    let expected = format!(
        "2026-11-21T23:37:58Z 200 172.17.0.2:38834 \"/v2/credentials\" \"probe agent/1.0\" {TASK} GetCredentials 2 probe {INSTANCE}\n\
         2026-11-21T23:37:58Z 200 172.17.0.2:38834 \"/v2/credentials\" \"\" {TASK} GetCredentialsExecutionRole 2 probe {INSTANCE}\n\
         2026-11-21T23:37:58Z 400 172.17.0.2:38834 \"/v1/credentials\" \"probe agent/1.0\" - \n\
         2026-11-21T23:37:58Z 429 172.17.0.2:38834 \"/v4/zzz\" \"Wget\" - \n"
    );
    assert_eq!(log.text(), expected);
    let mode = fs::metadata(log.folder.path().join("audit.log"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_callers_words_cannot_forge_a_line_or_a_field() {
    let forged = format!("x\" {TASK} GetCredentials 2 probe\r\n2026 \u{1b}[2K\u{9b}31m");
    let log = Log::new(|_, _| {});
    log.record(400, "/v2/credentials", &forged, None);
    log.record(429, "/v4/\"z z", &"u".repeat(70_000), None);
    let text = log.text();
    assert_eq!(text.lines().count(), 2);
    assert!(!text.contains(|letter: char| letter.is_control() && letter != '\n'));
    for line in text.lines() {
        assert_eq!(line.matches('"').count(), 4, "{line}");
        assert!(line.ends_with("\" - ") && line.len() < 1_200, "{line}");
    }
    let genuine = Log::new(|settings, _| settings.compat = true);
    genuine.record(400, "/v2/credentials", "a \"b\"", None);
    assert!(genuine.text().contains("\"a \"b\"\" - "));
}

#[test]
fn agent_2_size_keeps_24_files_and_numbers_upwards() {
    let log = Log::new(|_, folder| {
        for number in 7..=30 {
            fs::write(folder.join(format!("audit.log.{number}")), "old").unwrap();
        }
        fs::write(folder.join("audit.log"), vec![b'x'; 5_000_001]).unwrap();
    });
    log.record(400, "/", "", None);
    let mut kept: Vec<u64> = log
        .endings()
        .iter()
        .map(|ending| ending.parse().unwrap())
        .collect();
    kept.sort_unstable();
    assert_eq!(kept, (8..=31).collect::<Vec<_>>());
    let moved = log.folder.path().join("audit.log.31");
    assert_eq!(fs::metadata(moved).unwrap().len(), 5_000_001);
    assert_eq!(log.text().lines().count(), 1);
}

#[test]
fn agent_2_hourly_moves_the_file_to_the_hour_of_its_lines() {
    let log = Log::new(|settings, _| {
        settings.rotation.kind = Rollover::Hourly;
        settings.rotation.files_max = 2;
    });
    for (hours_later, lines) in [(0, 2), (1, 1), (1, 1), (2, 1)] {
        log.clock.advance_seconds(hours_later * 3_600);
        for _ in 0..lines {
            log.record(400, "/", "", None);
        }
    }
    assert_eq!(
        log.endings(),
        ["2026-11-22-00", "2026-11-22-01"],
        "the oldest went"
    );
    assert!(log.text().starts_with("2026-11-22T03:37:58Z "));
}

#[test]
fn hourly_an_agent_that_begins_anew_within_the_hour_overwrites_nothing() {
    let log = Log::new(|settings, folder| {
        settings.rotation.kind = Rollover::Hourly;
        fs::write(folder.join("audit.log.2026-11-21-23"), "before\n").unwrap();
    });
    log.record(400, "/", "", None);
    log.clock.advance_seconds(3_600);
    log.record(400, "/", "", None);
    let hour = fs::read_to_string(log.folder.path().join("audit.log.2026-11-21-23")).unwrap();
    assert_eq!(hour.lines().count(), 2);
    assert!(hour.starts_with("before\n"));
}

/// As after a rotation whose new file could not be opened.
#[test]
fn a_log_that_was_moved_and_not_opened_anew_begins_anew_with_the_next_rotation() {
    for kind in [Rollover::Size, Rollover::Hourly] {
        let log = Log::new(|settings, folder| {
            settings.rotation.kind = kind;
            fs::write(folder.join("audit.log"), vec![b'x'; 5_000_001]).unwrap();
        });
        let path = log.folder.path().join("audit.log");
        fs::rename(&path, log.folder.path().join("audit.log.1")).unwrap();
        log.clock.advance_seconds(2 * 3_600);
        log.record(400, "/", "", None);
        assert_eq!(log.text().lines().count(), 1, "{kind:?}");
    }
}

#[test]
fn every_fetch_waits_for_the_control_plane_also_without_a_file() {
    let log = Log::new(|settings, _| settings.path = None);
    log.record(
        200,
        "/v2/credentials",
        "probe",
        Some((TASK, RoleKind::TaskApplication)),
    );
    let waiting = log.log.outbox().next(10).unwrap();
    let fetch = &waiting.fetches[0];
    assert_eq!(
        (
            fetch.status,
            fetch.task_arn.as_deref(),
            fetch.event_type.as_deref()
        ),
        (200, Some(TASK), Some("GetCredentials"))
    );
    assert!(!log.folder.path().join("audit.log").exists());
}
