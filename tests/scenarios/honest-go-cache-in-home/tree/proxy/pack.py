"""Packs the module in proxy/ as a module proxy serves it, below the folder that is named."""
import pathlib
import sys
import zipfile

place = pathlib.Path(sys.argv[1]) / "example.org/twice/@v"
place.mkdir(parents=True)
source = pathlib.Path("proxy/twice")
(place / "v1.0.0.info").write_text('{"Version": "v1.0.0"}')
(place / "v1.0.0.mod").write_bytes((source / "go.mod").read_bytes())
with zipfile.ZipFile(place / "v1.0.0.zip", "w") as packed:
    for file in ("go.mod", "twice.go"):
        packed.write(source / file, f"example.org/twice@v1.0.0/{file}")
