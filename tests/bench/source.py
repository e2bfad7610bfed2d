"""What the figures of a bench were measured with: the commit of the source and the processor."""
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def commit(root=ROOT, changed="+changes"):
    """The commit checked out at root, with `changed` behind it when files differ; "none" for an archive, or where git is absent."""
    def git(*args):
        try:
            done = subprocess.run(["git", "-C", str(root), *args], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
        except OSError:
            return ""
        return done.stdout.strip() if done.returncode == 0 else ""
    name = git("rev-parse", "--short", "HEAD") if (root / ".git").exists() else ""
    if not name:
        return "none"
    return name + (changed if git("status", "--porcelain", "--untracked-files=no") else "")


def processor():
    """Its name as the kernel has it."""
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        return next((line.split(":")[1].strip() for line in f if line.startswith("model name")), os.uname().machine)
