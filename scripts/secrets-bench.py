"""Runs detect-secrets on the corpus that the scan's own figures come from, and prints both in one table."""

import json
import pathlib
import subprocess
import sys
import time

work = pathlib.Path(sys.argv[1]).resolve()
tool = work / "venv/bin/detect-secrets"
# Enough of the tree to tell the speed by; all of it takes the Python scanner half an hour.
SLICE = 10


def scan(folder):
    started = time.monotonic()
    done = subprocess.run([tool, "scan", "--all-files", "."], cwd=folder, capture_output=True, check=True, text=True)
    return json.loads(done.stdout)["results"], time.monotonic() - started


def row(name, found, labels):
    hits = [sample for sample in found if sample.startswith("secret/")]
    wrong = [sample for sample in found if sample.startswith("innocent/")]
    secrets = [sample for sample in labels if sample.startswith("secret/")]
    missed = sorted({labels[sample] for sample in secrets if sample not in found})
    precision = len(hits) / max(1, len(found))
    print(f"{name:<16} {len(hits) / len(secrets):>7.1%} {precision:>9.1%} {len(missed):>13} {len(wrong):>15}")
    return missed


samples = [line.split("\t") for line in (work / "pace.tsv").read_text().splitlines()]
labels = {sample: label for sample, _, label in samples}
ours = {sample for sample, hits, _ in samples if int(hits)}
results, _ = scan(work / "corpus")
theirs = {"/".join(pathlib.PurePath(path).parts[:2]) for path in results}

kinds = {label for sample, label in labels.items() if sample.startswith("secret/")}
innocent = sum(sample.startswith("innocent/") for sample in labels)
print(f"\n{len(labels) - innocent} secrets of {len(kinds)} kinds, {innocent} look-alikes")
print(f"{'':<16} {'recall':>7} {'precision':>9} {'kinds missed':>13} {'false alarms':>15}")
row("pace", ours, labels)
print("  missed by detect-secrets:", ", ".join(row("detect-secrets", theirs, labels)))

folders = sorted((work / "tree").iterdir())[:SLICE]
size = sum(file.stat().st_size for folder in folders for file in folder.iterdir())
seconds = sum(scan(folder)[1] for folder in folders)
print(f"detect-secrets: {size / 1e6:.1f} MB in {seconds:.1f} s with all cores, {size / 1e6 / seconds:.2f} MB/s")
