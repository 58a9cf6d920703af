//! A task's own place in the network, from its first container to its last: before a host-mode container starts the
//! wall before it stands, and before a task in awsvpc mode runs anything its namespace is complete.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::time::timeout;

use super::interface::{cable, clash};
use super::{
    Interface, NetworkError, ROUTER_PATIENCE, SecurityRules, TaskNetwork, Wiring, clear_cables, link, proxy,
};
use crate::engine::{ContainerRef, EngineError, Launch, patiently};

const IP_FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";

impl TaskNetwork {
    /// Whether tasks can have an interface of their own here.
    pub(crate) fn offers_interfaces(&self) -> bool {
        self.plan.task_eni
            && self.firewall == super::Firewall::Nft
            && super::pause::is_possible()
            && std::path::Path::new("/proc/self/ns/net").exists()
    }

    /// What this host says it can do (agent.md 5.1), as far as it lies here.
    pub(crate) fn capabilities(&self) -> Vec<&'static str> {
        let mut all = Vec::new();
        if self.offers_interfaces() {
            all.extend(["ecs.capability.task-eni", "portcullis.capability.security-groups"]);
            if self.plan.walls.awsvpc {
                all.push("ecs.capability.task-eni-block-instance-metadata");
            }
        }
        if self.host.is_some() && self.plan.host_task_roles {
            all.push("com.amazonaws.ecs.capability.task-iam-role-network-host");
        }
        all
    }

    /// `CgroupParent` of a host-mode task's containers.
    pub(crate) fn host_cgroup(&self, task_id: &str) -> Option<String> {
        self.host.as_ref().map(|host| host.parent_of(task_id))
    }

    /// Before a container is made.
    pub(crate) async fn prepare(&self, launch: &Launch) -> Result<(), EngineError> {
        let Wiring::Host(_) = &launch.wiring else {
            return Ok(());
        };
        let refused = |error: &dyn std::fmt::Display| {
            EngineError::Refused(format!("CannotCreateContainerError: host network mode: {error}"))
        };
        let Some(host) = &self.host else {
            return match self.plan.walls.host {
                true => Err(refused(
                    &"instance metadata cannot be kept from the container on this host; it needs nft, and cgroup v2 or \
                      net_cls of cgroup v1",
                )),
                false => Ok(()),
            };
        };
        host.ensure_task(&launch.container.task_id)
            .map_err(|error| refused(&error))?;
        // A group made anew is another group: the wall has to be built before it.
        let mark = self.host_mark().map_err(|error| refused(&error))?;
        if mark.is_some_and(|mark| !self.last_fence().holds_back(&mark)) {
            self.version.fetch_add(1, Ordering::SeqCst);
            self.put_up(None).await.map_err(|error| refused(&error))?;
        }
        Ok(())
    }

    /// After a pause container has started: gives its namespace the task's interface. The fence is up before the
    /// interface is.
    pub(crate) async fn attach(
        &self,
        container: &ContainerRef,
        interface: &Interface,
    ) -> Result<(), EngineError> {
        let started = Instant::now();
        let refused = |error: String| EngineError::Refused(format!("ContainerNetworkingError: {error}"));
        let process_id = || self.engine.process_id(container);
        let Some(pid) = patiently(container, process_id).await? else {
            return Err(refused("the pause container ended".to_owned()));
        };
        let name = cable(&container.task_id);
        self.take(&name, interface).map_err(refused)?;
        let laid = self.lay(&name, pid, interface).await;
        if let Err(error) = laid {
            self.detach(&container.task_id).await;
            return Err(refused(error.to_string()));
        }
        // Another process may have the number by now, if the pause container ended meanwhile.
        let seen = patiently(container, process_id).await;
        if seen != Ok(Some(pid)) {
            self.detach(&container.task_id).await;
            return Err(seen
                .err()
                .unwrap_or_else(|| refused("the pause container ended".to_owned())));
        }
        let took = started.elapsed();
        tracing::info!(task = container.task_id, address = %interface.ipv4, ?took, "task network is set up");
        Ok(())
    }

    async fn lay(&self, name: &str, pid: i32, interface: &Interface) -> Result<(), NetworkError> {
        self.become_router().await?;
        self.put_up(None).await?;
        link::lay(name, pid, interface, self.plan.walls.awsvpc).await?;
        proxy::answer_for(&self.task_addresses()).await
    }

    /// The address is the task's from now on.
    fn take(&self, name: &str, interface: &Interface) -> Result<(), String> {
        let mut cables = self.cables.lock().unwrap_or_else(PoisonError::into_inner);
        if clash(&cables, name, interface).is_some() {
            return Err(format!(
                "another task of this host has the address {}; tasks of networks that overlap need hosts of their own",
                interface.ipv4
            ));
        }
        cables.insert(name.to_owned(), interface.clone());
        drop(cables);
        self.version.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    /// Takes a task's interface away; one that is not there is fine.
    pub(crate) async fn detach(&self, task_id: &str) {
        let name = cable(task_id);
        if !self.has_interface(task_id) {
            return;
        }
        // Its address and its rules are the cable's as long as that is there.
        if let Err(error) = link::cut(&name).await {
            tracing::warn!(%error, task = task_id, "the interface of a task that is over stays until it is tried again");
            let mut over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
            over.insert(task_id.to_owned());
            return;
        }
        let removed = self
            .cables
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&name);
        // Somebody else was about it as well.
        if removed.is_none() {
            return;
        }
        let answering = proxy::answer_for(&self.task_addresses()).await;
        self.version.fetch_add(1, Ordering::SeqCst);
        let fence = self.put_up(None).await;
        for result in [answering, fence] {
            if let Err(error) = result {
                tracing::warn!(%error, task = task_id, "something of the task's network stays for now");
            }
        }
    }

    /// Tries again what failed: by now nobody else may know of the task.
    pub(super) async fn detach_what_stayed(&self) {
        let over = std::mem::take(&mut *self.over.lock().unwrap_or_else(PoisonError::into_inner));
        for task_id in over {
            self.detach(&task_id).await;
        }
    }

    /// Other rules for tasks' interfaces, from now on also for what has not been answered yet; all in one transaction.
    pub(crate) async fn secure(&self, changes: Vec<(String, SecurityRules)>) -> Result<(), NetworkError> {
        {
            let mut cables = self.cables.lock().unwrap_or_else(PoisonError::into_inner);
            for (task_id, rules) in changes {
                if let Some(interface) = cables.get_mut(&cable(&task_id)) {
                    interface.security = Some(rules);
                }
            }
        }
        self.version.fetch_add(1, Ordering::SeqCst);
        self.put_up(None).await
    }

    /// Whether the task has an interface here.
    pub(crate) fn has_interface(&self, task_id: &str) -> bool {
        self.cables
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(&cable(task_id))
    }

    /// The task's containers have ended: its cgroup goes.
    pub(crate) fn release_host_task(&self, task_id: &str) {
        if let Some(host) = &self.host {
            host.remove_task(task_id);
        }
    }

    /// Removes the cables of tasks that are gone, and stops answering for them.
    pub(super) async fn clear_other_cables(&self) -> Result<(), NetworkError> {
        let kept: Vec<_> = self.cables().into_keys().collect();
        clear_cables(self.firewall, &kept).await;
        proxy::answer_for(&self.task_addresses()).await?;
        self.put_up(None).await
    }

    fn task_addresses(&self) -> Vec<std::net::Ipv4Addr> {
        self.cables().values().map(|interface| interface.ipv4).collect()
    }

    /// With the first task that needs it.
    async fn become_router(&self) -> Result<(), NetworkError> {
        if self.routing.load(Ordering::SeqCst) {
            return Ok(());
        }
        let _alone = self.router.lock().await;
        match self.routing.load(Ordering::SeqCst) {
            true => Ok(()),
            false => self.route().await,
        }
    }

    /// Where there are tasks with cables. Docker's rules are iptables', which may be the old one that the kernel's
    /// generations know nothing of. Walls do not wait for it: when it fails, only tasks with cables do not start.
    pub(super) async fn stay_router(&self) {
        if self.cables().is_empty() {
            return;
        }
        let routed = async {
            let _alone = self.router.lock().await;
            self.route().await
        };
        let failure = match timeout(ROUTER_PATIENCE, routed).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("iptables has not ended after {} s", ROUTER_PATIENCE.as_secs()),
        };
        self.routing.store(false, Ordering::SeqCst);
        tracing::warn!(
            error = failure,
            "tasks' interfaces may not be let through until it is tried again"
        );
    }

    /// Whether that has to be tried again soon.
    pub(super) fn owes_the_way(&self) -> bool {
        !self.routing.load(Ordering::SeqCst) && !self.cables().is_empty()
    }

    /// The host forwards, and Docker's filter lets our cables be. One at a time: what is missing is put in once.
    async fn route(&self) -> Result<(), NetworkError> {
        let forwards = std::fs::read_to_string(IP_FORWARD).unwrap_or_default();
        if forwards.trim() != "1" {
            tracing::warn!("net.ipv4.ip_forward is switched on: this host routes for its awsvpc tasks");
            std::fs::write(IP_FORWARD, "1").map_err(|error| NetworkError::Interface(error.to_string()))?;
        }
        self.firewall.let_cables_through().await?;
        self.routing.store(true, Ordering::SeqCst);
        Ok(())
    }
}
