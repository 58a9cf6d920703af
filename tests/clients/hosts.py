"""Hosts of containers, each in kernel namespaces of its own: its network, its Docker Engine, its agent.

Only inside `cargo xtask docker-room`: the room's network namespace holds the bridge to which the hosts are wired, so nothing
of the machine's own network is touched, and what is left over ends with the room. A host sees the server and nothing else.
"""

import io
import json
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from server import BINARY

BRIDGE = "hosts"
SERVER_ADDRESS = "10.77.0.1"
IMAGE = "portcullis-hosts:latest"
APPLETS = ("sh", "sleep", "wget", "hostname")


def build_bridge():
    """The wire between server and hosts."""
    run("ip", "link", "add", BRIDGE, "type", "bridge")
    run("ip", "address", "add", f"{SERVER_ADDRESS}/24", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")


def remove_bridge():
    run("ip", "link", "delete", BRIDGE)


def run(*command, **more):
    ended = subprocess.run(command, capture_output=True, **more)
    assert ended.returncode == 0, f"{command} ended with {ended.returncode}: {ended.stderr}"
    return ended.stdout


def busybox_image(mark=""):
    """An image of the machine's own static busybox, as `docker import` takes it; with other marks other images."""
    busybox, layer = Path(shutil.which("busybox")).read_bytes(), io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        program = tarfile.TarInfo("bin/busybox")
        program.size, program.mode = len(busybox), 0o755
        archive.addfile(program, io.BytesIO(busybox))
        for name in APPLETS:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
        marked = tarfile.TarInfo("mark")
        marked.size = len(mark)
        archive.addfile(marked, io.BytesIO(mark.encode()))
    return layer.getvalue()


# The engine keeps everything below the host's own /run; only its socket lies where the test can reach it.
BOOT = """
set -e
mount -t tmpfs -o size=1g,mode=755 tmpfs /run
mkdir /run/host
echo "$DAEMON" >/run/host/daemon.json
ip link set lo up
ip address add "$ADDRESS" dev eth0
ip link set eth0 up
ip route add default via "$GATEWAY"
dockerd --config-file /run/host/daemon.json --data-root /run/host/data --exec-root /run/host/exec \\
  --pidfile /run/host/docker.pid --host "$DOCKER_HOST" --cgroup-parent "$CGROUP" --shutdown-timeout 2 &
until docker import "$FOLDER/image.tar" "$IMAGE" 2>/dev/null; do kill -0 $!; sleep 0.1; done
exec "$BINARY" agent --endpoint "$ENDPOINT" --cluster "$CLUSTER" --engine docker --docker-host "$DOCKER_HOST" \\
  --state-dir "$FOLDER/agent" "$@"
"""


class Host:
    """A host with an engine and an agent; `credentials` are its instance role's, as STS gives them. Without them the agent
    needs `arguments` and `variables` to join by. `daemon` is the configuration of its engine."""

    def __init__(
        self, number, folder, endpoint, cluster, credentials=None, image=None, arguments=(), variables=None, daemon=None
    ):
        self.name, self.folder = f"host{number}", folder
        self.address = f"10.77.0.{number + 1}"
        folder.mkdir()
        if image:
            (folder / "image.tar").hardlink_to(image)
        else:
            (folder / "image.tar").write_bytes(busybox_image())
        if credentials:
            arguments = [*arguments, "--credentials-file", self.keep(credentials)]
        self.engine = f"unix://{folder}/docker.sock"
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "ADDRESS": f"{self.address}/24",
            "GATEWAY": SERVER_ADDRESS,
            "DOCKER_HOST": self.engine,
            "CGROUP": room_cgroup(),
            "FOLDER": str(folder),
            "IMAGE": IMAGE,
            "BINARY": BINARY,
            "DAEMON": json.dumps(daemon or {}),
            "ENDPOINT": endpoint,
            "CLUSTER": cluster,
            # There is no registry to ask, and Docker takes 20 s to find that out.
            "ECS_IMAGE_PULL_BEHAVIOR": "prefer-cached",
            **(variables or {}),
        }
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", self.name, "master", BRIDGE, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        run("ip", "link", "set", self.name, "up")
        # `ip netns exec` would remount /sys, and the engine would miss its cgroups.
        command = ["setpriv", "--pdeathsig", "KILL", "nsenter", f"--net=/run/netns/{self.name}"]
        command += ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "docker-init", "--"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "sh", "-c", BOOT, "sh", *arguments], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    log = property(lambda self: self.folder / "log")

    def keep(self, credentials):
        """Writes the credentials down as the agent reads them; the file."""
        keys = {"AccessKeyId": credentials["AccessKeyId"], "SecretAccessKey": credentials["SecretAccessKey"]}
        keys |= {"Token": credentials["SessionToken"], "Expiration": credentials["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ")}
        path = self.folder / "credentials.json"
        path.write_text(json.dumps(keys))
        return str(path)

    def enter(self, *command, **more):
        """Runs a command as the host's own program."""
        return subprocess.run(["nsenter", f"--net=/run/netns/{self.name}", *command], capture_output=True, text=True, **more)

    def docker(self, *arguments):
        return run("docker", "--host", self.engine, *arguments, text=True)

    def containers(self):
        """The ids of the containers that run here, other than what the agent keeps for itself."""
        return self.docker("ps", "--quiet", "--no-trunc", "--filter", f"ancestor={IMAGE}").split()

    def end(self):
        """The host is gone, as if its plug were pulled: the kernel ends whatever ran in its namespaces."""
        self.process.kill()
        self.process.wait()
        # The kernel takes a namespace's own wires away when its last process is gone, which is later than this.
        run("ip", "link", "delete", self.name)
        run("ip", "netns", "delete", self.name)


def room_cgroup():
    """The cgroup that the room removes at its end."""
    return re.search(r"--cgroup-parent (\S+)", Path("/run/docker-room/start-docker").read_text()).group(1)
