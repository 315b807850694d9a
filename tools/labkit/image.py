"""The boot disk: a GPT with one FAT file system (the EFI system partition), made without root."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from .paths import LabError

SECTOR = 512
FIRST = 2048  # sectors before the partition, the usual alignment
TAIL = 2048  # and room behind it for the backup GPT
ESP_TYPE = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
# Fixed identifiers: the same input gives the same image.
DISK_ID = "5649474C-0000-4000-8000-000000000001"
PART_ID = "5649474C-0000-4000-8000-000000000002"


def tool(args: list[str], text: str | None = None) -> None:
    """Run one of the disk tools (they live in /sbin, which a user's PATH may lack)."""
    env = dict(
        os.environ, PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin", MTOOLS_SKIP_CHECK="1"
    )
    env.setdefault("SOURCE_DATE_EPOCH", "946684800")
    try:
        done = subprocess.run(
            args, input=text, env=env, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise LabError(f"{args[0]} not found: run tools/deps lab") from error
    if done.returncode != 0:
        raise LabError(f"{args[0]} failed: {(done.stderr or done.stdout).strip()}")


def populate(root: Path, files: dict[str, Path | bytes], extra: Path | None) -> None:
    """Lay the ESP's content out under `root`; `extra` is a folder copied over it."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            try:
                shutil.copyfile(content, path)
            except OSError as error:
                raise LabError(f"cannot read {content}: {error.strerror}") from error
    if extra is not None:
        if not extra.is_dir():
            raise LabError(f"no such folder: {extra}")
        shutil.copytree(extra, root, dirs_exist_ok=True)


def make(root: Path, image: Path) -> None:
    """Write the disk `image` holding the files under `root`."""
    size = sum(p.stat().st_size + 4096 for p in root.rglob("*"))
    # FAT32 wants at least 65525 clusters (Microsoft's FAT specification): 34 MiB of 512-byte ones.
    mib = max(40, size * 21 // 20 // (1 << 20) + 8)
    sectors = mib * (1 << 20) // SECTOR
    fat = image.with_suffix(".fat")
    with open(fat, "wb") as handle:
        handle.truncate(sectors * SECTOR)
    tool(["mkfs.fat", "--invariant", "-F", "32", "-i", "56494749", "-n", "VIGIL", str(fat)])
    tool(["mcopy", "-s", "-Q", "-i", str(fat), *sorted(map(str, root.iterdir())), "::/"])
    with open(image, "wb") as handle:
        handle.truncate((FIRST + sectors + TAIL) * SECTOR)
    table = (
        f"label: gpt\nlabel-id: {DISK_ID}\nfirst-lba: 34\n"
        f"start={FIRST}, size={sectors}, type={ESP_TYPE}, uuid={PART_ID}, name=esp\n"
    )
    tool(["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", str(image)], table)
    with open(fat, "rb") as source, open(image, "r+b") as target:
        target.seek(FIRST * SECTOR)
        shutil.copyfileobj(source, target, 1 << 20)
    fat.unlink()
