//! Which file is what, by path alone: test, production, or other.
//!
//! Knows no file content; splitting a Rust file at its test modules is another rule's work.

use std::sync::LazyLock;

use regex::Regex;

use super::pattern;

/// What a file is for (SPEC: which file is what).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A test, or a fixture or snapshot below a test folder.
    Test,
    /// Docs, data, manifests, lockfiles, CI, migrations, generated files.
    Other,
    /// Everything else that is written in a programming language.
    Production,
}

/// Classifies `path`, which is `/`-separated from the repository root.
pub(crate) fn kind_of(path: &str) -> FileKind {
    if is_test(path) {
        FileKind::Test
    } else if is_other(path) {
        FileKind::Other
    } else {
        FileKind::Production
    }
}

/// Folders whose whole content belongs to tests.
const TEST_FOLDERS: &[&str] = &[
    "tests",
    "test",
    "__tests__",
    "__mocks__",
    "__fixtures__",
    "__snapshots__",
    "testdata",
    "test_data",
    "test-data",
    "spec",
    "specs",
    "e2e",
    "cypress",
    "fixtures",
    "androidTest",
    "testFixtures",
    "integrationTest",
];

/// Folders whose whole content is neither test nor production code.
const OTHER_FOLDERS: &[&str] = &[
    ".github",
    ".gitlab",
    ".circleci",
    ".pace",
    ".vscode",
    ".idea",
    "docs",
    "doc",
    "migrations",
    "migrate",
    "alembic",
    "generated",
    "__generated__",
    "vendor",
    "node_modules",
    "third_party",
    ".storybook",
    "benches",
    "benchmarks",
    "examples",
];

/// Extensions of programming languages, without the dot; every other file is data.
const CODE: &[&str] = &[
    "py", "pyx", "pyi", "rs", "go", "js", "jsx", "mjs", "cjs", "ts", "tsx", "mts", "cts", "vue", "svelte",
    "java", "kt", "kts", "groovy", "scala", "cs", "fs", "vb", "razor", "cshtml", "c", "h", "cc", "cpp",
    "cxx", "hpp", "hh", "m", "mm", "swift", "rb", "erb", "php", "ex", "exs", "erl", "hs", "ml", "mli", "lua",
    "dart", "pl", "pm", "r", "jl", "sh", "bash", "zsh", "ps1", "zig", "nim", "clj", "cljs", "elm", "sol",
    "f90", "awk",
];

/// Names that are code by extension but configure tools.
const CONFIGURATION: &[&str] = &[
    "setup.py",
    "noxfile.py",
    "build.rs",
    "build.gradle.kts",
    "settings.gradle.kts",
    "gulpfile.js",
    "Gruntfile.js",
];

static TEST_NAME: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)^(?:
            test_.*\.pyi? | .*_(?:unit)?tests?\.(?:py|go|rs|exs|rb|cc|cpp|c|dart|sh|[cm]?[jt]sx?) | .*_spec\.(?:rb|lua) | conftest\.py | tests?\.(?:py|rs|sh)
          | .*\.(?:test|spec|e2e)\.[cm]?[jt]sx? | .*\.snap
          | (?:[A-Z]\w*)?(?:Test|Tests|TestCase|IT|Spec|Suite)\.(?:java|kt|groovy|scala|cs|fs|vb|php|swift)
          | setup-?[tT]ests?\.[cm]?[jt]sx? | (?:jest|vitest|mocha)[.-]setup\.[cm]?[jt]s
          | .*\.bats | test[-_].*\.(?:sh|rb|js|mjs|cjs|c|cc|cpp)
        )$",
    )
});

/// `Shop.UnitTests`, `integration_tests`, and what Kotlin calls the tests of a target.
static TEST_FOLDER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"\.Test$|[a-z.]Tests$|[-_]tests$|^unittests?$|^(?:common|jvm|js|native|ios|android\w*)Test$")
});

static GENERATED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)(?: \.pb\.(?:go|cc|h) | ^zz_generated\..*\.go | _gen\.go | \.gen\.\w+ | \.pyi | _pb2(?:_grpc)?\.pyi? | \.g\.(?:cs|dart) | \.designer\.cs | \.generated\.\w+
            | \.min\.(?:js|css) | \.d\.ts | \.(?:bench|stories)\.[cm]?[jt]sx? | \.(?:config|conf|rc)\.[cm]?[jt]s | ^\.\w+rc\.[cm]?js )$",
    )
});

fn is_test(path: &str) -> bool {
    let mut parts = path.split('/').collect::<Vec<_>>();
    let name = parts.pop().unwrap_or_default();
    let in_test_folder = parts.iter().any(|part| TEST_FOLDERS.contains(part) || TEST_FOLDER.is_match(part));
    in_test_folder || TEST_NAME.is_match(name)
}

fn is_other(path: &str) -> bool {
    let mut parts = path.split('/').collect::<Vec<_>>();
    let name = parts.pop().unwrap_or_default();
    let code = name.rsplit_once('.').is_some_and(|(stem, extension)| {
        !stem.is_empty() && CODE.contains(&extension.to_ascii_lowercase().as_str())
    });
    !code
        || parts.iter().any(|p| OTHER_FOLDERS.contains(p))
        || CONFIGURATION.contains(&name)
        || GENERATED.is_match(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use FileKind::{Other, Production, Test};

    #[test]
    fn kinds_by_path() {
        for (path, kind) in [
            ("src/models/user.py", Production),
            ("app.py", Production),
            ("src/lib.rs", Production),
            ("cmd/main.go", Production),
            ("src/testing.py", Production),
            ("src/contest.py", Production),
            ("src/latest.ts", Production),
            ("greet.sh", Production),
            ("src/Unit.java", Production),
            ("tests/test_user.py", Test),
            ("tests/data/golden.json", Test),
            ("test_user.py", Test),
            ("pkg/user_test.go", Test),
            ("web/user.test.ts", Test),
            ("web/user.spec.jsx", Test),
            ("web/__tests__/user.js", Test),
            ("src/test/java/com/acme/UserTest.java", Test),
            ("src/UserTests.cs", Test),
            ("Shop.Tests/Cart.cs", Test),
            ("conftest.py", Test),
            ("test.sh", Test),
            ("web/__snapshots__/a.snap", Test),
            ("Shop.UnitTests/Cart.cs", Test),
            ("integration_tests/server.py", Test),
            ("shared/src/commonTest/kotlin/Fake.kt", Test),
            ("base/strings_unittest.cc", Test),
            ("lib/add_test.ts", Test),
            ("src/setupTests.ts", Test),
            ("vitest.setup.ts", Test),
            ("src/main/scala/AddSuite.scala", Test),
            ("src/latests/feed.py", Production),
            ("src/contests.py", Production),
            ("src/protests/list.py", Production),
            ("src/migrate.py", Production),
            ("db/migrate/20240101_add_users.rb", Other),
            ("alembic/versions/1a2b_add_users.py", Other),
            (".eslintrc.cjs", Other),
            ("gulpfile.js", Other),
            ("shop/cart.pyi", Other),
            ("api/zz_generated.deepcopy.go", Other),
            ("src/routeTree.gen.ts", Other),
            ("README.md", Other),
            ("docs/conf.py", Other),
            ("package.json", Other),
            ("Cargo.lock", Other),
            ("Makefile", Other),
            (".github/workflows/ci.yml", Other),
            ("db/migrations/0001_init.py", Other),
            ("api/user_pb2.py", Other),
            ("benches/sum.rs", Other),
            ("web/cart.stories.tsx", Other),
            ("vite.config.ts", Other),
            ("setup.py", Other),
            (".env", Other),
            (".py", Other),
        ] {
            assert_eq!(kind_of(path), kind, "{path}");
        }
    }
}
