"""An image of the machine's own Python, boto3, curl and busybox, as `docker import` takes it: no registry is asked."""

import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import boto3

#: Where boto3 lies; PYTHONPATH of whoever runs it.
PACKAGES = "/packages"
BOTO3 = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py")
#: Of botocore's models.
SERVICES = ("ecs", "sts")
APPLETS = ("sh", "sleep")
NOT_NEEDED = {"site-packages", "dist-packages", "test", "idlelib", "tkinter", "ensurepip", "lib2to3", "turtledemo"}


def write(path):
    """Writes the image to this file."""
    python, library = Path(sys.executable).resolve(), Path(sysconfig.get_paths()["stdlib"])
    curl, busybox = Path(shutil.which("curl")), Path(shutil.which("busybox")).resolve()
    with tarfile.open(path, mode="w") as image:
        image.add(busybox, "bin/busybox")
        image.add(curl.resolve(), "bin/curl")
        image.add(python, _inside(python))
        links = {"python3": str(python), **dict.fromkeys(APPLETS, "busybox")}
        for name, target in links.items():
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, target
            image.addfile(link)
        image.add(library, _inside(library), filter=_needed)
        for loaded in sorted(_libraries(python, curl, *library.glob("lib-dynload/*.so"))):
            image.add(loaded.resolve(), _inside(loaded))
        site = Path(boto3.__file__).parents[1]
        for name in BOTO3:
            image.add(site / name, _inside(f"{PACKAGES}/{name}"), filter=_model)
        folder = tarfile.TarInfo("tmp")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        image.addfile(folder, io.BytesIO())


def _inside(path):
    return os.fspath(path).lstrip("/")


def _needed(member):
    parts = member.name.split("/")
    return None if NOT_NEEDED & set(parts) or any(part.startswith("config-") for part in parts) else member


def _model(member):
    """Leaves out the models of services nobody here calls."""
    found = re.search(r"botocore/data/([^/]+)(/|$)", member.name)
    is_service = found and not found.group(1).endswith(".json") and (found.group(2) or member.isdir())
    return None if is_service and found.group(1) not in SERVICES else member


def _libraries(*programs):
    """What the dynamic linker loads for them, and itself."""
    text = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
    return {Path(found) for found in re.findall(r"(/\S+) \(0x", text)}
