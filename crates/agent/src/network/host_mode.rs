//! Tasks in host mode share the host's addresses; what tells them from the host is their cgroup. Every host-mode
//! container is started below one cgroup of ours, in a group of its task's own: the fence matches the first, the
//! endpoint reads the second (reliability-and-security.md 4.7, agent.md 4).

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The cgroup of all host-mode tasks.
pub(super) const GROUP: &str = "portcullishost";
/// net_cls classes of our tasks: the first half is "PC", the second counts.
pub(super) const CLASS_FIRST: u32 = 0x5043_0000;
pub(super) const CLASS_LAST: u32 = 0x5043_ffff;
const CLASS_FILE: &str = "net_cls.classid";
const CGROUPS: &str = "/sys/fs/cgroup";

/// Who makes cgroups for Docker; the two name them differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CgroupDriver {
    /// Docker itself: paths.
    Cgroupfs,
    /// systemd: slices.
    Systemd,
}

/// How the kernel tells the cgroup of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// cgroup v2: by the group itself.
    Unified,
    /// cgroup v1: by the class its net_cls group gives.
    Class,
}

/// The slice of a host-mode task, where systemd makes the cgroups.
pub(crate) fn host_slice(task_id: &str) -> String {
    format!("{GROUP}-{task_id}.slice")
}

/// The hierarchy in which host-mode tasks are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostCgroups {
    root: PathBuf,
    pub(super) mark: Mark,
    driver: CgroupDriver,
}

impl HostCgroups {
    /// What this machine has; nothing when a socket's cgroup cannot be told here.
    pub(crate) fn detect(driver: CgroupDriver) -> Option<Self> {
        let unified = Path::new(CGROUPS).join("cgroup.controllers").exists();
        let (root, mark) = match unified {
            true => (PathBuf::from(CGROUPS), Mark::Unified),
            false => {
                let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
                (net_cls_mount(&mounts)?, Mark::Class)
            }
        };
        Some(Self { root, mark, driver })
    }

    /// `CgroupParent` of a task's host-mode containers.
    pub(crate) fn parent_of(&self, task_id: &str) -> String {
        match self.driver {
            CgroupDriver::Cgroupfs => format!("/{GROUP}/{task_id}"),
            CgroupDriver::Systemd => host_slice(task_id),
        }
    }

    /// First part of the path of all of them, as the fence names it.
    pub(super) fn group(&self) -> String {
        match self.driver {
            CgroupDriver::Cgroupfs => GROUP.to_owned(),
            CgroupDriver::Systemd => format!("{GROUP}.slice"),
        }
    }

    fn task_name(&self, task_id: &str) -> String {
        match self.driver {
            CgroupDriver::Cgroupfs => task_id.to_owned(),
            CgroupDriver::Systemd => self.parent_of(task_id),
        }
    }

    fn task_folder(&self, task_id: &str) -> PathBuf {
        self.root.join(self.group()).join(self.task_name(task_id))
    }

    fn task_id(&self, folder: &Path) -> Option<String> {
        let name = folder.file_name()?.to_str()?;
        Some(match self.driver {
            CgroupDriver::Cgroupfs => name.to_owned(),
            CgroupDriver::Systemd => name
                .strip_prefix(GROUP)?
                .strip_prefix('-')?
                .strip_suffix(".slice")?
                .to_owned(),
        })
    }

    /// Makes the group of all host-mode tasks. Which one it is: another number means that it was made anew, and that
    /// the fence has to be told.
    pub(super) fn ensure_group(&self) -> io::Result<u64> {
        let group = self.root.join(self.group());
        fs::create_dir_all(&group)?;
        if self.mark == Mark::Class && class_of(&group) != Some(CLASS_FIRST) {
            fs::write(group.join(CLASS_FILE), CLASS_FIRST.to_string())?;
        }
        Ok(group.metadata()?.ino())
    }

    /// Makes the group of a task, before its first container is: what starts in it then has the task's class from its
    /// first instruction on.
    pub(super) fn ensure_task(&self, task_id: &str) -> io::Result<()> {
        self.ensure_group()?;
        let folder = self.task_folder(task_id);
        fs::create_dir_all(&folder)?;
        let known = |class: &u32| (CLASS_FIRST + 1..=CLASS_LAST).contains(class);
        if self.mark == Mark::Unified || class_of(&folder).filter(known).is_some() {
            return Ok(());
        }
        let taken: Vec<u32> = self
            .task_folders()
            .iter()
            .filter_map(|other| class_of(other))
            .collect();
        let free = (CLASS_FIRST + 1..=CLASS_LAST).find(|class| !taken.contains(class));
        let class = free.ok_or_else(|| io::Error::other("no net_cls class is free"))?;
        fs::write(folder.join(CLASS_FILE), class.to_string())
    }

    /// Removes the group of a task whose containers have ended, in every hierarchy; Docker has removed theirs.
    pub(super) fn remove_task(&self, task_id: &str) {
        if self.task_folder(task_id).exists() {
            for group in self.groups() {
                let _ = fs::remove_dir(group.join(self.task_name(task_id)));
            }
        }
    }

    /// Removes our group and what is empty in it; what is in use stays.
    pub(super) fn remove_all(&self) {
        for group in self.groups() {
            for folder in subfolders(&group) {
                let _ = fs::remove_dir(&folder);
            }
            let _ = fs::remove_dir(&group);
        }
    }

    fn groups(&self) -> Vec<PathBuf> {
        let hierarchies = match self.mark {
            Mark::Unified => vec![self.root.clone()],
            Mark::Class => subfolders(Path::new(CGROUPS)),
        };
        hierarchies
            .into_iter()
            .map(|root| root.join(self.group()))
            .collect()
    }

    /// The task whose containers have this class (cgroup v1).
    pub(super) fn task_of_class(&self, class: u32) -> Option<String> {
        let folders = self.task_folders();
        let folder = folders.iter().find(|folder| class_of(folder) == Some(class))?;
        self.task_id(folder)
    }

    /// The task in whose group, or in a group below it, this one is (cgroup v2).
    pub(super) fn task_of_group(&self, inode: u64) -> Option<String> {
        let folders = self.task_folders();
        let folder = folders.iter().find(|folder| holds(folder, inode))?;
        self.task_id(folder)
    }

    fn task_folders(&self) -> Vec<PathBuf> {
        subfolders(&self.root.join(self.group()))
    }
}

/// Where net_cls is mounted, alone or with net_prio.
fn net_cls_mount(mountinfo: &str) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        let (kind, options) = (right.next()?, right.nth(1)?);
        let has = kind == "cgroup" && options.split(',').any(|option| option == "net_cls");
        has.then(|| left.split(' ').nth(4).map(PathBuf::from))?
    })
}

fn class_of(folder: &Path) -> Option<u32> {
    fs::read_to_string(folder.join(CLASS_FILE))
        .ok()?
        .trim()
        .parse()
        .ok()
}

fn holds(folder: &Path, inode: u64) -> bool {
    let itself = folder.metadata().is_ok_and(|facts| facts.ino() == inode);
    itself || subfolders(folder).iter().any(|below| holds(below, inode))
}

fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cgroups(root: &Path, mark: Mark, driver: CgroupDriver) -> HostCgroups {
        HostCgroups {
            root: root.to_owned(),
            mark,
            driver,
        }
    }

    #[test]
    fn net_cls_is_found_alone_and_beside_net_prio() {
        let line = |options: &str| {
            format!("31 24 0:27 / /sys/fs/cgroup/here rw,nosuid shared:9 - cgroup cgroup rw,{options}")
        };
        let none = "30 24 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,net_cls";
        let here = Some(PathBuf::from("/sys/fs/cgroup/here"));
        assert_eq!(net_cls_mount(&line("net_cls,net_prio")), here);
        assert_eq!(net_cls_mount(&format!("{none}\n{}", line("net_cls"))), here);
        assert_eq!(net_cls_mount(&format!("{none}\n{}", line("cpu,cpuacct"))), None);
    }

    #[test]
    fn every_task_has_a_class_of_its_own_and_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let cgroups = cgroups(folder.path(), Mark::Class, CgroupDriver::Cgroupfs);
        for task in ["aaaa", "bbbb", "aaaa"] {
            cgroups.ensure_task(task).unwrap();
        }
        let class = |task| class_of(&cgroups.task_folder(task)).unwrap();
        assert_ne!(class("aaaa"), class("bbbb"));
        for task in ["aaaa", "bbbb"] {
            assert!(class(task) > CLASS_FIRST && class(task) <= CLASS_LAST);
            assert_eq!(cgroups.task_of_class(class(task)).as_deref(), Some(task));
        }
        assert_eq!(cgroups.task_of_class(CLASS_FIRST), None);
        assert_eq!(cgroups.task_of_class(0), None);
    }

    #[test]
    fn a_group_below_the_tasks_is_the_tasks() {
        for driver in [CgroupDriver::Cgroupfs, CgroupDriver::Systemd] {
            let folder = tempfile::tempdir().unwrap();
            let cgroups = cgroups(folder.path(), Mark::Unified, driver);
            cgroups.ensure_task("aaaa").unwrap();
            cgroups.ensure_task("bbbb").unwrap();
            let deep = cgroups.task_folder("bbbb").join("docker-0123.scope/own");
            fs::create_dir_all(&deep).unwrap();
            let inode = deep.metadata().unwrap().ino();
            assert_eq!(
                cgroups.task_of_group(inode).as_deref(),
                Some("bbbb"),
                "{driver:?}"
            );
            let outside = folder.path().metadata().unwrap().ino();
            assert_eq!(cgroups.task_of_group(outside), None);
        }
    }
}
