//! A cgroup for each task, which holds all its containers together to the task's CPU and memory
//! (`ECS_ENABLE_TASK_CPU_MEM_LIMIT`).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bollard::Docker;
use bollard::models::{SystemInfoCgroupDriverEnum, SystemInfoCgroupVersionEnum};
use tokio::process::Command;

use crate::ContainerSettings;
use crate::network::host_slice;

/// Of the kernel's CPU time accounting, in microseconds.
const PERIOD: u32 = 100_000;
const MIB: i64 = 1024 * 1024;
const SHARES_PER_CPU: f64 = 1024.0;

/// Who manages the cgroups, and where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Manager {
    /// Docker makes folders; so do we. Kernel interface 1: a tree for each controller.
    FoldersV1,
    /// The same with one tree.
    FoldersV2,
    /// systemd makes slices.
    Systemd,
    /// Tasks get no cgroup of their own.
    Off,
}

/// The tasks' cgroups.
#[derive(Debug, Clone)]
pub(super) struct TaskCgroups {
    manager: Manager,
    /// Where cgroups are mounted.
    root: PathBuf,
    /// Below it: the one that holds those of tasks.
    parent: String,
}

/// What a task may use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Limits {
    vcpu: Option<f64>,
    memory_mib: Option<i64>,
}

impl Limits {
    /// vCPU and MiB as the task says them; 0 is as good as nothing.
    pub(super) fn of((vcpu, memory_mib): (Option<f64>, Option<i64>)) -> Self {
        Self {
            vcpu: vcpu.filter(|vcpu| *vcpu > 0.0),
            memory_mib: memory_mib.filter(|mib| *mib > 0),
        }
    }
}

impl TaskCgroups {
    /// Asks the engine how it keeps cgroups.
    pub(super) async fn detect(docker: &Docker, settings: &ContainerSettings) -> Self {
        let info = docker.info().await.unwrap_or_default();
        let manager = match (settings.task_limits, info.cgroup_driver, info.cgroup_version) {
            (false, ..) => Manager::Off,
            (_, Some(SystemInfoCgroupDriverEnum::SYSTEMD), _) => Manager::Systemd,
            (_, Some(SystemInfoCgroupDriverEnum::CGROUPFS), Some(SystemInfoCgroupVersionEnum::_2)) => {
                Manager::FoldersV2
            }
            (_, Some(SystemInfoCgroupDriverEnum::CGROUPFS), _) => Manager::FoldersV1,
            _ => Manager::Off,
        };
        Self {
            manager,
            root: settings.cgroup_path.clone(),
            parent: settings.cgroup_parent.clone(),
        }
    }

    /// The cgroup of a task's containers, for Docker: its `own` where it has one already. The task's limits are set on
    /// it. Without limits, or when they cannot be set, it is only the one it has; else the engine's own.
    pub(super) async fn parent(&self, task_id: &str, limits: Limits, own: Option<&str>) -> Option<String> {
        let limited = self.prepare(task_id, limits, own).await;
        limited.or_else(|| own.map(str::to_owned))
    }

    async fn prepare(&self, id: &str, limits: Limits, own: Option<&str>) -> Option<String> {
        if limits.vcpu.is_none() && limits.memory_mib.is_none() {
            return None;
        }
        let name = own.map_or_else(|| self.name(id), str::to_owned);
        let folder = name.trim_matches('/');
        let made = match self.manager {
            Manager::Off => return None,
            Manager::FoldersV1 => write_all(&self.root, &v1_files(folder, limits)),
            Manager::FoldersV2 => self
                .enable_controllers(folder)
                .and_then(|()| write_all(&self.root, &v2_files(folder, limits))),
            Manager::Systemd => set_slice(&name, limits).await,
        };
        match made {
            Ok(()) => Some(name),
            Err(error) => {
                tracing::error!(task = id, %error, "the task's own limits cannot be set; its containers have only theirs");
                None
            }
        }
    }

    /// The task is over. Docker may have left its own folders in other controllers.
    pub(super) async fn remove(&self, task_id: &str) {
        let folder = self.folder(task_id);
        match self.manager {
            Manager::Off => {}
            Manager::Systemd => {
                for slice in [self.slice(task_id), host_slice(task_id)] {
                    let _ = Command::new("systemctl").args(["stop", &slice]).output().await;
                    let _ = Command::new("systemctl").args(["revert", &slice]).output().await;
                }
            }
            Manager::FoldersV2 => remove_folder(&self.root.join(folder)),
            Manager::FoldersV1 => {
                let controllers = fs::read_dir(&self.root).into_iter().flatten().flatten();
                for controller in controllers {
                    remove_folder(&controller.path().join(&folder));
                }
            }
        }
    }

    /// What Docker calls the cgroup that is made for a task.
    fn name(&self, task_id: &str) -> String {
        match self.manager {
            Manager::Systemd => self.slice(task_id),
            _ => format!("/{}", self.folder(task_id)),
        }
    }

    fn folder(&self, task_id: &str) -> String {
        format!("{}/{task_id}", self.parent.trim_matches('/'))
    }

    /// Dashes nest slices: `ecs-ID.slice` lies in `ecs.slice`.
    fn slice(&self, task_id: &str) -> String {
        let parent = self.parent.trim_matches('/').replace(['/', '-'], "_");
        format!("{parent}-{task_id}.slice")
    }

    /// A controller is there for a folder only when every folder above hands it down.
    fn enable_controllers(&self, folder: &str) -> io::Result<()> {
        let mut above = self.root.clone();
        for part in Path::new(folder).components() {
            fs::write(above.join("cgroup.subtree_control"), "+cpu +memory")?;
            above.push(part);
            fs::create_dir_all(&above)?;
        }
        Ok(())
    }
}

/// A file of a cgroup and what goes into it.
type Setting = (String, String);

fn v1_files(folder: &str, limits: Limits) -> Vec<Setting> {
    let cpu = limits.vcpu.map(|vcpu| {
        [
            (
                format!("cpu/{folder}/cpu.shares"),
                whole(vcpu * SHARES_PER_CPU).max(2).to_string(),
            ),
            (format!("cpu/{folder}/cpu.cfs_period_us"), PERIOD.to_string()),
            (format!("cpu/{folder}/cpu.cfs_quota_us"), quota(vcpu).to_string()),
        ]
    });
    let memory = limits.memory_mib.map(|mib| {
        let bytes = mib.saturating_mul(MIB).to_string();
        (format!("memory/{folder}/memory.limit_in_bytes"), bytes)
    });
    cpu.into_iter().flatten().chain(memory).collect()
}

fn v2_files(folder: &str, limits: Limits) -> Vec<Setting> {
    let cpu = limits
        .vcpu
        .map(|vcpu| (format!("{folder}/cpu.max"), format!("{} {PERIOD}", quota(vcpu))));
    let memory = limits.memory_mib.map(|mib| {
        let bytes = mib.saturating_mul(MIB).to_string();
        (format!("{folder}/memory.max"), bytes)
    });
    cpu.into_iter().chain(memory).collect()
}

/// The kernel takes no quota below a millisecond.
fn quota(vcpu: f64) -> i64 {
    whole(vcpu * f64::from(PERIOD)).max(1000)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a task has at most a few hundred vCPU"
)]
fn whole(number: f64) -> i64 {
    number as i64
}

fn write_all(root: &Path, settings: &[Setting]) -> io::Result<()> {
    for (file, value) in settings {
        let path = root.join(file);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        fs::write(&path, value).map_err(named)?;
    }
    Ok(())
}

async fn set_slice(slice: &str, limits: Limits) -> io::Result<()> {
    let mut command = Command::new("systemctl");
    command.args(["set-property", "--runtime", slice]);
    if let Some(vcpu) = limits.vcpu {
        command.arg(format!("CPUQuota={}%", whole(vcpu * 100.0).max(1)));
    }
    if let Some(mib) = limits.memory_mib {
        command.arg(format!("MemoryMax={}M", mib));
    }
    let output = command.output().await?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(
        String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    ))
}

/// A cgroup's files are not removed, only its folder; children first.
fn remove_folder(folder: &Path) {
    for child in fs::read_dir(folder).into_iter().flatten().flatten() {
        if child.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_folder(&child.path());
        }
    }
    match fs::remove_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::debug!(folder = %folder.display(), %error, "a cgroup stays");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agent_7_task_limits_in_the_words_of_both_kernel_interfaces() {
        let limits = Limits {
            vcpu: Some(0.25),
            memory_mib: Some(512),
        };
        insta::assert_debug_snapshot!((v1_files("ecs/aaaa", limits), v2_files("ecs/aaaa", limits)));
        let nothing = Limits {
            vcpu: None,
            memory_mib: None,
        };
        assert!(v1_files("x", nothing).is_empty() && v2_files("x", nothing).is_empty());
        assert_eq!(quota(0.001), 1000);
    }

    #[tokio::test]
    async fn a_task_on_the_hosts_network_has_its_limits_in_the_cgroup_it_is_known_by() {
        let root = tempfile::tempdir().unwrap();
        let cgroups = |manager| TaskCgroups {
            manager,
            root: root.path().to_owned(),
            parent: "ecs".into(),
        };
        let group = "/portcullishost/aaaa";
        let limits = Limits::of((Some(0.0), Some(512)));
        let v1 = cgroups(Manager::FoldersV1);
        assert_eq!(
            v1.parent("aaaa", limits, Some(group)).await.as_deref(),
            Some(group)
        );
        let limit = root
            .path()
            .join("memory/portcullishost/aaaa/memory.limit_in_bytes");
        assert_eq!(fs::read_to_string(limit).unwrap(), "536870912");
        assert_eq!(
            v1.parent("bbbb", limits, None).await.as_deref(),
            Some("/ecs/bbbb")
        );
        // Its group tells who it is, with limits or without.
        let off = cgroups(Manager::Off);
        assert_eq!(
            off.parent("aaaa", limits, Some(group)).await.as_deref(),
            Some(group)
        );
        let nothing = Limits::of((None, None));
        assert_eq!(
            v1.parent("aaaa", nothing, Some(group)).await.as_deref(),
            Some(group)
        );
        assert_eq!(v1.parent("aaaa", nothing, None).await, None);
    }

    #[test]
    fn settings_are_written_and_folders_go_children_first() {
        let root = tempfile::tempdir().unwrap();
        let cgroups = TaskCgroups {
            manager: Manager::FoldersV1,
            root: root.path().to_owned(),
            parent: "ecs".into(),
        };
        assert_eq!(cgroups.slice("aaaa"), "ecs-aaaa.slice");
        fs::create_dir_all(root.path().join("net_cls/ecs/aaaa/container")).unwrap();
        remove_folder(&root.path().join("net_cls/ecs/aaaa"));
        assert!(!root.path().join("net_cls/ecs/aaaa").exists());
        write_all(root.path(), &[("cpu/ecs/b/cpu.shares".into(), "2".into())]).unwrap();
        assert_eq!(
            fs::read_to_string(root.path().join("cpu/ecs/b/cpu.shares")).unwrap(),
            "2"
        );
    }
}
