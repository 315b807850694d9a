"""Packages of any Debian suite without touching the system's apt: a private apt state in the cache.

Everything downloaded is checked by apt against the archive's signed index; where apt leaves files
behind an error (a mirror lacking one of a source package's files), `source` checks them itself.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import time
from pathlib import Path

from .paths import LabError, cache, locked, say

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
DEFAULT_MIRROR = "http://deb.debian.org/debian"
DEFAULT_SECURITY = "http://deb.debian.org/debian-security"
INDEX_MAX_AGE = 12 * 3600


def codename() -> str:
    """The running distribution, as `bookworm`."""
    try:
        text = Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return "bookworm"
    found = re.search(r"^VERSION_CODENAME=\"?(\w+)", text, re.M)
    return found.group(1) if found else "bookworm"


def system_mirrors() -> tuple[str, str]:
    """The main and the security mirror this machine uses."""
    text = ""
    for path in [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]:
        if path.suffix in (".list", ".sources") and path.is_file():
            text += path.read_text(encoding="utf-8", errors="replace") + "\n"
    main, security = DEFAULT_MIRROR, DEFAULT_SECURITY
    for url in re.findall(r"^(?:URIs:|deb(?:\s+\[[^]]*\])?)\s+(https?://\S+)", text, re.M):
        url = url.rstrip("/")
        if url.endswith("debian-security"):
            security = url
        elif url.endswith("/debian"):
            main = url
    return main, security


class Apt:
    """A private apt for one suite: `deb` and `deb-src` of its main component, plus its security."""

    def __init__(self, suite: str, sources: bool) -> None:
        self.suite = suite
        self.kind = "deb-src" if sources else "deb"
        self.root = cache() / "apt" / f"{suite}-{self.kind}"
        self.config = self.root / "apt.conf"

    def prepare(self, refresh: bool = False) -> None:
        """Write the configuration and get the indexes, unless those here are fresh enough. One at a
        time: several fetches share them, and apt's own locks are off."""
        with locked(f"apt-{self.root.name}"):
            self.prepare_locked(refresh)

    def prepare_locked(self, refresh: bool) -> None:
        """prepare(), with the lock."""
        stamp = self.root / "updated"
        if not refresh and stamp.exists() and time.time() - stamp.stat().st_mtime < INDEX_MAX_AGE:
            return
        for sub in ("lists/partial", "cache/archives/partial", "log"):
            (self.root / sub).mkdir(parents=True, exist_ok=True)
        main, security = system_mirrors()
        base = self.suite.split("-")[0]
        option = f"[arch=amd64 signed-by={KEYRING}]"
        lines = [f"{self.kind} {option} {main} {self.suite} main"]
        if self.suite == base and self.kind == "deb":
            lines.append(f"{self.kind} {option} {security} {base}-security main")
        elif self.suite != base:
            lines.append(f"{self.kind} {option} {main} {base} main")
        (self.root / "sources.list").write_text("\n".join(lines) + "\n", encoding="ascii")
        (self.root / "status").write_text("", encoding="ascii")
        self.config.write_text(
            f'Dir::Etc::SourceList "{self.root}/sources.list";\n'
            'Dir::Etc::SourceParts "/dev/null";\n'
            'Dir::Etc::Preferences "/dev/null";\n'
            'Dir::Etc::PreferencesParts "/dev/null";\n'
            f'Dir::State::Lists "{self.root}/lists";\n'
            f'Dir::State::status "{self.root}/status";\n'
            f'Dir::Cache "{self.root}/cache";\n'
            f'Dir::Log "{self.root}/log";\n'
            'Debug::NoLocking "1";\n'
            'APT::Install-Recommends "0";\n'
            'APT::Sandbox::User "";\n',
            encoding="utf-8",
        )
        say(f"fetch: package index of {self.suite} ({self.kind}) from {main}")
        try:
            self.run("apt-get", "-qq", "update", timeout=600)
        except LabError as error:  # a mirror that is being renewed, a dropped connection: once more
            say(f"fetch: {' '.join(str(error).split())}; again")
            time.sleep(5)
            self.run("apt-get", "-qq", "update", timeout=600)
        stamp.touch()

    def run(
        self, *args: str, cwd: Path | None = None, check: bool = True, timeout: int = 1800
    ) -> str:
        """Run one apt command under the private configuration; its output."""
        env = dict(
            os.environ, APT_CONFIG=str(self.config), LC_ALL="C", DEBIAN_FRONTEND="noninteractive"
        )
        try:
            done = subprocess.run(
                args, cwd=cwd, env=env, text=True, capture_output=True, timeout=timeout, check=False
            )
        except FileNotFoundError as error:
            raise LabError(f"{args[0]} not found: this needs Debian's apt") from error
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{' '.join(args)}: no end after {timeout} s") from error
        if check and done.returncode != 0:
            raise LabError(f"{' '.join(args)} failed:\n{done.stderr.strip()}")
        return done.stdout

    def retry(self, action):
        """`action()`, once more with fresh indexes when it fails (a mirror moves on meanwhile)."""
        self.prepare()
        try:
            return action()
        except LabError as error:
            say(f"fetch: {str(error).splitlines()[0]}; again with a fresh index")
            self.prepare(refresh=True)
            return action()

    def download(self, package: str, where: Path) -> Path:
        """Download one binary package into `where`; its path."""

        def action() -> Path:
            self.run("apt-get", "-qq", "download", package, cwd=where)
            found = sorted(where.glob(f"{package.split('=')[0]}_*.deb"))
            if not found:
                raise LabError(f"apt-get download {package} left no file")
            return found[-1]

        return self.retry(action)

    def depends(self, package: str, prefix: str) -> str:
        """The package that `package` depends on whose name begins with `prefix`."""

        def action() -> str:
            text = self.run("apt-cache", "show", "--no-all-versions", package)
            found = re.search(rf"^Depends:.*?\b({re.escape(prefix)}[^\s,(]*)", text, re.M)
            if not found:
                raise LabError(f"{package} of {self.suite} depends on no {prefix}*")
            return found.group(1)

        return self.retry(action)

    def closure(self, package: str, where: Path) -> list[Path]:
        """Download `package` with all it depends on; the .deb files."""

        def action() -> list[Path]:
            archives = where / "archives"
            (archives / "partial").mkdir(parents=True, exist_ok=True)
            self.run(
                "apt-get",
                "-y",
                "-qq",
                "-d",
                "-o",
                f"Dir::Cache::archives={archives}",
                "install",
                package,
            )
            return sorted(archives.glob("*.deb"))

        return self.retry(action)

    def source(self, package: str, version: str, where: Path, need: str) -> list[Path]:
        """Download a source package's files; those matching the regex `need` must be there.

        Every file returned agrees with the signed index (SHA-256).
        """

        def action() -> list[Path]:
            text = self.run("apt-cache", "showsrc", package)
            stanzas = [
                s
                for s in text.split("\n\n")
                if re.search(rf"^Version: {re.escape(version)}$", s, re.M)
            ]
            if not stanzas:
                raise LabError(f"source package {package} {version} is not in {self.suite}")
            sums = re.search(r"^Checksums-Sha256:\s*\n((?: .*\n?)+)", stanzas[0], re.M)
            if not sums:
                raise LabError(f"the index has no SHA-256 of {package} {version}")
            self.run(
                "apt-get",
                "-qq",
                "source",
                "--download-only",
                f"{package}={version}",
                cwd=where,
                check=False,
            )
            good: list[Path] = []
            for line in sums.group(1).splitlines():
                digest, _, name = line.split()
                path = where / name
                if path.is_file():
                    if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
                        raise LabError(f"{name}: SHA-256 differs from the signed index")
                    good.append(path)
            if not any(re.search(need, p.name) for p in good):
                raise LabError(f"the mirror did not give {package} {version} ({need})")
            return good

        return self.retry(action)


def unpack_deb(deb: Path, where: Path) -> None:
    """Unpack one .deb's files under `where`, keeping symlinked folders (merged /usr)."""
    where.mkdir(parents=True, exist_ok=True)
    fsys = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE)
    tar = subprocess.run(
        ["tar", "-x", "-C", str(where), "--keep-directory-symlink", "--no-same-owner", "-f", "-"],
        stdin=fsys.stdout,
        capture_output=True,
        text=True,
        check=False,
    )
    if fsys.stdout:
        fsys.stdout.close()
    if fsys.wait() != 0 or tar.returncode != 0:
        raise LabError(f"unpacking {deb.name} failed: {tar.stderr.strip()}")
