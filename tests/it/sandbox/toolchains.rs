//! Whole toolchains in tier 2: a small project's build and tests run as they would anywhere, new files at the top of the
//! repository included. A toolchain that is missing here counts as failed.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Machine, Site, User, text, told};
use crate::binary::own_variable;

/// A project of one language.
struct Sample {
    files: &'static [(&'static str, &'static str)],
    command: &'static str,
    /// What its tests say.
    said: &'static str,
    /// What it makes at the top.
    made: &'static [&'static str],
}

const PYTHON: Sample = Sample {
    files: &[
        ("sums.py", "def double(n):\n    return 2 * n\n"),
        (
            "tests/test_sums.py",
            "from sums import double\n\n\ndef test_double():\n    assert double(2) == 4\n",
        ),
        ("tests/conftest.py", "import sys, os\nsys.path.insert(0, os.getcwd())\n"),
    ],
    command: "/usr/bin/python3 -m venv --without-pip env && /usr/bin/python3 -m pytest -v --junitxml=junit.xml",
    said: "1 passed",
    made: &[".pytest_cache", "junit.xml", "env"],
};
const NODE: Sample = Sample {
    files: &[
        ("package.json", r#"{"name": "sums", "version": "1.0.0", "scripts": {"test": "node --test"}}"#),
        ("sums.js", "exports.double = (n) => 2 * n;\n"),
        (
            "tests/sums.test.js",
            "const assert = require('node:assert');\nconst { double } = require('../sums.js');\n\
             require('node:test')('doubles', () => assert.equal(double(2), 4));\n",
        ),
    ],
    command: "npm install --offline --no-audit --no-fund && npm test",
    said: "# pass 1",
    made: &["package-lock.json"],
};
const RUST: Sample = Sample {
    files: &[
        ("Cargo.toml", "[package]\nname = \"sums\"\nversion = \"0.1.0\"\nedition = \"2021\"\n"),
        (
            "src/lib.rs",
            "pub fn double(n: u32) -> u32 {\n    2 * n\n}\n\n#[test]\nfn doubles() {\n    assert_eq!(double(2), 4);\n}\n",
        ),
    ],
    command: "cargo test --offline",
    said: "test result: ok. 1 passed",
    made: &["Cargo.lock", "target"],
};
/// A server of datagrams and a client that writes to it.
const GO_UDP: &str = r#"package main

import (
	"net"
	"testing"
)

func TestDatagrams(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("udp", server.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Write([]byte("ping")); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 9)
	n, from, err := server.ReadFrom(data)
	if err != nil || string(data[:n]) != "ping" || from.String() != client.LocalAddr().String() {
		t.Fatal(err, from)
	}
	if _, err := server.WriteTo([]byte("pong"), from); err != nil {
		t.Fatal(err)
	}
	if n, err = client.Read(data); err != nil || string(data[:n]) != "pong" {
		t.Fatal(err)
	}
}
"#;
const GO: Sample = Sample {
    files: &[
        ("go.mod", "module sums\n\ngo 1.18\n"),
        ("sums.go", "package main\n\nfunc Double(n int) int { return 2 * n }\n\nfunc main() {}\n"),
        (
            "sums_test.go",
            "package main\n\nimport \"testing\"\n\nfunc TestDouble(t *testing.T) {\n\tif Double(2) != 4 {\n\t\tt.Fail()\n\t}\n}\n",
        ),
        ("udp_test.go", GO_UDP),
    ],
    command: "go mod tidy && go build -o sums . && go test ./... -v",
    said: "--- PASS: TestDouble",
    made: &["sums"],
};

const JAVA: Sample = Sample {
    files: &[("src/Works.java", JAVA_WORKS)],
    command: "java src/Works.java",
    said: "all works",
    made: &["made.txt"],
};
/// Sockets of both families, as Java's are, temporary files, processes, and a new file at the top.
const JAVA_WORKS: &str = r#"
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.channels.DatagramChannel;
import java.nio.file.*;

public class Works {
    public static void main(String[] arguments) throws Exception {
        var server = new ServerSocket(0, 5, InetAddress.getLoopbackAddress());
        var client = new Socket(server.getInetAddress(), server.getLocalPort());
        server.accept().getOutputStream().write(7);
        check(client.getInputStream().read() == 7);
        var receiver = DatagramChannel.open().bind(new InetSocketAddress("127.0.0.1", 0));
        var sender = DatagramChannel.open();
        sender.connect(receiver.getLocalAddress());
        check(sender.write(ByteBuffer.wrap(new byte[3])) == 3);
        check(receiver.receive(ByteBuffer.allocate(9)).equals(sender.getLocalAddress()));
        new DatagramSocket().send(new DatagramPacket(new byte[4], 4, receiver.getLocalAddress()));
        var received = ByteBuffer.allocate(9);
        receiver.receive(received);
        check(received.position() == 4);
        Files.write(Files.createTempFile("a", "b"), new byte[1]);
        Files.write(Path.of("made.txt"), new byte[1]);
        check(new ProcessBuilder("/bin/true").start().waitFor() == 0);
        System.out.println("all works");
        System.exit(0);
    }

    static void check(boolean what) {
        if (!what) throw new AssertionError();
    }
}
"#;

#[test]
fn javas_run_in_tier_2() {
    in_tier_2(&JAVA);
}

#[test]
fn pythons_run_in_tier_2() {
    in_tier_2(&PYTHON);
}

#[test]
fn nodes_run_in_tier_2() {
    in_tier_2(&NODE);
}

#[test]
fn rusts_run_in_tier_2() {
    in_tier_2(&RUST);
}

#[test]
fn gos_run_in_tier_2() {
    in_tier_2(&GO);
}

fn in_tier_2(sample: &Sample) {
    let rust = Rust::to_share();
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", rust.bin().display());
    for user in [User::Root, User::Nobody] {
        let site = Site::new(user);
        site.take_back();
        for (path, content) in sample.files {
            site.project.write(path, content);
        }
        site.project.commit_all("Sample");
        site.hand_over();
        let before = site.outside();
        let command = format!("{{ {}; }} >src/said 2>&1; echo $? >src/exit", sample.command);
        let env = [
            ("PACE_TEST_COMMAND", command.as_str()),
            ("PACE_SETUP_COMMAND", "none"),
            ("PATH", &path),
            ("RUSTUP_HOME", rust.0.path().to_str().unwrap()),
        ];
        let output = site.pace(Machine::Container, "check", &env);
        assert!(text(&output.stdout).contains("sandbox: tier 2"), "{}", told(&output));
        let said = site.project.read("src/said").unwrap_or_default();
        assert!(said.contains(sample.said), "{user:?} {}: {said}{}", sample.command, told(&output));
        assert_eq!(site.project.read("src/exit").as_deref(), Some("0\n"), "{user:?}: {said}");
        for made in sample.made {
            assert!(site.project.dir.join(made).exists(), "{user:?} {}: no {made}: {said}", sample.command);
        }
        let git = site.project.dir.join(".git");
        let kept = |files: std::collections::BTreeMap<PathBuf, String>| -> Vec<_> {
            files.into_iter().filter(|(path, _)| path.starts_with(&git)).collect()
        };
        assert_eq!(kept(before), kept(site.outside()), "{user:?} {}", sample.command);
    }
}

/// Rust's toolchain where everybody may read it: it often lies in a home folder that is closed to others.
struct Rust(tempfile::TempDir);

impl Rust {
    #[expect(clippy::disallowed_methods, reason = "a test may start programs")]
    fn to_share() -> Self {
        let path = own_variable("PATH").unwrap();
        let root = Command::new("rustc").args(["--print", "sysroot"]).env("PATH", path).output().unwrap();
        let root = text(&root.stdout);
        let place = tempfile::Builder::new().prefix("pace-rust-").tempdir().unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(place.path(), open).unwrap();
        for part in ["bin", "lib"] {
            let from = Path::new(root.trim()).join(part);
            // Names alone where the file system is the same.
            let copied = ["-al", "-a"].iter().any(|how| {
                let to = place.path().join(part);
                let _ = std::fs::remove_dir_all(&to);
                Command::new("cp").arg(how).arg(&from).arg(&to).output().unwrap().status.success()
            });
            assert!(copied, "{} cannot be copied", from.display());
        }
        Self(place)
    }

    fn bin(&self) -> PathBuf {
        self.0.path().join("bin")
    }
}
