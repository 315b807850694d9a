"""tools/deps fetch: source packages and guest kernels, unpacked in the cache.

Idempotent; each thing is prepared in a temporary folder under a lock and renamed into place.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from . import debian
from .paths import DEPS_LIST, LabError, cache, locked, say

NEWLIB_TAR = "newlib-3.3.0.tar.xz"
# Meta-packages that depend on the current kernel package of their flavour.
KERNEL_META = {
    "kernel-cloud": "linux-image-cloud-amd64",
    "kernel-full": "linux-image-amd64",
    "kernel-6.12": "linux-image-cloud-amd64",
}


def listed(name: str) -> tuple[str, str]:
    """Suite and version that tools/deps.list states for `name` (suite `-`: the running one)."""
    for line in DEPS_LIST.read_text(encoding="utf-8").splitlines():
        words = line.split("#")[0].split()
        if len(words) == 4 and words[1] in ("src", "deb") and words[2] == name:
            suite, _, version = words[3].partition("=")
            return (debian.codename() if suite == "-" else suite), version
    raise LabError(f"tools/deps.list does not know '{name}'")


def run(*args: str | Path, cwd: Path | None = None) -> None:
    """Run a helper program; a failure shows the end of what it said."""
    try:
        done = subprocess.run(args, cwd=cwd, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise LabError(f"{args[0]} not found: run tools/deps build lab") from error
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise LabError(f"{' '.join(map(str, args))} failed:\n{tail}")


def fetch_source(name: str, work: Path) -> Path:
    suite, version = listed(name)
    files = debian.Apt(suite, sources=True).source(name, version, work, r"\.dsc$")
    dsc = next(f for f in files if f.suffix == ".dsc")
    # dpkg-source applies Debian's patches; the hashes were checked against the signed index.
    run("dpkg-source", "--no-check", "-x", dsc, work / "tree")
    return work / "tree"


def fetch_newlib(work: Path) -> Path:
    tar = Path("/usr/src/newlib") / NEWLIB_TAR
    if not tar.exists():  # another release of Debian: the package of the one that has 3.3.0
        suite, _ = listed("newlib-source")
        debian.unpack_deb(
            debian.Apt(suite, sources=False).download("newlib-source", work), work / "deb"
        )
        tar = work / "deb/usr/src/newlib" / NEWLIB_TAR
    (work / "tree").mkdir()
    run("tar", "-xf", tar, "--strip-components=1", "--no-same-owner", "-C", work / "tree")
    return work / "tree"


def fetch_kernel(name: str, work: Path) -> Path:
    suite, _ = listed(name)
    if name == "kernel-6.12" and debian.codename() != "bookworm":
        suite = "trixie"
    apt = debian.Apt(suite, sources=False)
    meta = KERNEL_META[name] + (f"/{suite}" if "-" in suite else "")
    package = apt.depends(meta, "linux-image-")
    say(f"fetch: {package} of {suite}")
    deb = apt.download(package, work)
    debian.unpack_deb(deb, work / "deb")
    image = next((work / "deb/boot").glob("vmlinuz-*"), None)
    modules = next((p for p in (work / "deb").glob("**/lib/modules/*") if p.is_dir()), None)
    if image is None or modules is None:
        raise LabError(f"{deb.name} holds no kernel image or no modules")
    tree = work / "tree"
    tree.mkdir()
    image.rename(tree / "vmlinuz")
    modules.rename(tree / "modules")
    (tree / "release").write_text(image.name.removeprefix("vmlinuz-") + "\n", encoding="ascii")
    return tree


def fetch_headers(release: str, work: Path) -> Path:
    """The headers of one kernel release with its build programs: enough to build a module."""
    suite = (
        "bookworm-backports"
        if "+deb12" in release and not release.startswith("6.1.")
        else debian.codename()
    )
    apt = debian.Apt(suite, sources=False)
    package = f"linux-headers-{release}"
    needs = [
        package,
        *(apt.depends(package, prefix) for prefix in ("linux-headers-", "linux-kbuild-")),
    ]
    for name in needs:
        debian.unpack_deb(apt.download(name, work), work / "tree")
    headers = work / "tree/usr/src" / package
    if not (headers / "Makefile").is_file():
        raise LabError(f"{package} holds no Makefile")
    # The makefile names its other half by its place after an installation.
    common = cache() / f"headers-{release}" / "usr/src" / needs[1]
    (headers / "Makefile").write_text(f"include {common}/Makefile\n", encoding="utf-8")
    return work / "tree"


def headers(release: str) -> Path:
    """The folder to give to `make -C` for a module of kernel `release`."""
    return (
        prepared(f"headers-{release}", lambda work: fetch_headers(release, work))
        / f"usr/src/linux-headers-{release}"
    )


def fetch_bochs_trixie(work: Path) -> Path:
    suite, _ = listed("bochs-trixie")
    debs = debian.Apt(suite, sources=False).closure("bochs", work)
    for deb in debs:
        debian.unpack_deb(deb, work / "tree")
    if not (work / "tree/usr/bin/bochs-bin").exists():
        raise LabError("trixie's bochs package holds no bochs-bin")
    return work / "tree"


def fetch_bochs(work: Path) -> Path:
    from . import bochs_build

    suite, version = listed("bochs")
    # The orig tarball is enough: Debian's patches concern its own packaging.
    files = debian.Apt(suite, sources=True).source("bochs", version, work, r"\.orig\.tar\.")
    tar = next(f for f in files if ".orig.tar." in f.name)
    return bochs_build.build(tar, work)


FETCHERS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "lwip": ("lwip-2.1.3", lambda work: fetch_source("lwip", work)),
    "zlib": ("zlib-1.2.13", lambda work: fetch_source("zlib", work)),
    "pcre2": ("pcre2-10.42", lambda work: fetch_source("pcre2", work)),
    "newlib": ("newlib-3.3.0", fetch_newlib),
    "bochs": ("bochs-3.0-smp", fetch_bochs),
    "bochs-trixie": ("bochs-trixie", fetch_bochs_trixie),
    **{k: (k, lambda work, k=k: fetch_kernel(k, work)) for k in KERNEL_META},
}


def fetch(name: str) -> Path:
    """The folder of `name` in the cache; filled first if it is not there."""
    if name not in FETCHERS:
        raise LabError(f"nothing called '{name}' to fetch (there is: {' '.join(FETCHERS)})")
    return prepared(*FETCHERS[name])


def prepared(folder: str, fetcher: Callable[[Path], Path]) -> Path:
    """The cache's folder `folder`; filled by `fetcher` first if it is not there."""
    final = cache() / folder
    if final.is_dir():
        return final
    with locked(folder):
        if final.is_dir():
            return final
        say(f"fetch: {folder}")
        work = Path(tempfile.mkdtemp(prefix=f".{folder}.", dir=cache()))
        try:
            tree = fetcher(work)
            tree.chmod(0o755)
            tree.rename(final)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return final


def main(names: list[str]) -> int:
    try:
        for name in names:
            print(fetch(name))
    except LabError as error:
        say(f"deps: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
