//! Tables: changes that hold the day, changes that are worth knowing, and honest ones that are neither.

mod stories;

use super::*;
use FindingResult::{Advisory, Fail, Pass};

const PY: &str = "import shop\n\n\ndef test_total():\n    assert shop.total([1, 2]) == 3\n    assert shop.total([]) == 0\n\n\ndef test_tax():\n    assert shop.tax(100) == 19\n";
const JS: &str = "test('adds', () => {\n  expect(add(1, 2)).toBe(3);\n});\n";
const SH: &str = "# test: greets\n. ./greet.sh\n[ \"$(greet)\" = \"Hello\" ]\n";
const RUNNER: &str =
    "failed=0\nfor file in tests/test_*.sh; do\n    sh \"$file\" || failed=1\ndone\nexit $failed\n";

/// Path, text before, text after; `-` = absent.
type File<'a> = (&'a str, &'a str, &'a str);

fn seen(files: &[File<'_>], sentence: &str) -> Vec<(&'static str, FindingResult)> {
    let text = |text: &str| (text != "-").then(|| text.to_owned());
    let changed: Vec<Changed> = files
        .iter()
        .map(|(path, before, after)| Changed {
            path: (*path).into(),
            before: text(before),
            after: text(after),
        })
        .collect();
    let plan = crate::domain::plan::DayPlan {
        day: 1,
        theme: "t".into(),
        stories: vec![],
        notes: Some(sentence.into()),
        human_gate: false,
        clearance: false,
        shipped: false,
    };
    let base_paths: Vec<String> =
        ["tests/test_shop.py", "tests/slow/test_slow.py", "web/add.test.js"].map(String::from).into();
    let look = Look {
        changed: &changed,
        named: &Named::of(&plan),
        base_paths: &base_paths,
        commands: &["sh test.sh".to_owned(), "make style".to_owned(), "npm run style".to_owned()],
    };
    let checks = [
        "Vanished test",
        "Weakened test",
        "Skipped test",
        "Runner setting",
        "Runner file",
        "Stubbed runner",
        U,
    ];
    super::look(&look)
        .into_iter()
        .map(|f| (*checks.iter().find(|c| **c == f.check).unwrap(), f.result))
        .collect()
}

const V: &str = "Vanished test";
const W: &str = "Weakened test";
const S: &str = "Skipped test";
const R: &str = "Runner setting";
const F: &str = "Runner file";
const X: &str = "Stubbed runner";

fn py(from: &str, to: &str) -> String {
    assert!(PY.contains(from), "{from}");
    PY.replace(from, to)
}

#[test]
fn changes_of_python_tests() {
    let tax = "def test_tax():\n    assert shop.tax(100) == 19\n";
    for (after, expected) in [
        (PY.to_owned(), None),
        ("-".to_owned(), Some((V, Fail))),
        (String::new(), Some((V, Fail))),
        (py(tax, ""), Some((V, Fail))),
        (py(tax, "def test_tax():\n    pass\n"), Some((V, Fail))),
        (py(tax, "def test_tax():\n    \"\"\"Later.\"\"\"\n    assert True\n"), Some((V, Fail))),
        (py("def test_tax", "def check_tax"), Some((V, Fail))),
        (py("def test_tax", "def test_tax_of_a_price"), None),
        (py("    assert shop.total([]) == 0\n", ""), Some((W, Fail))),
        (py("    assert shop.total([]) == 0\n", "    # assert shop.total([]) == 0\n"), Some((W, Fail))),
        (py("assert shop.total([]) == 0", "assert True"), Some((W, Fail))),
        (py("assert shop.total([]) == 0", "assert 1 == 1"), Some((W, Fail))),
        (py("assert shop.total([]) == 0", "assert shop.total([]) == 0 or True"), Some((W, Fail))),
        (py("assert shop.total([]) == 0", "assert shop.total([]) is not None"), Some((W, Fail))),
        (py("assert shop.total([]) == 0", "assert shop.total([]) in (0, 1)"), Some((W, Fail))),
        (py("assert shop.total([]) == 0", "assert shop.total([]) >= 0"), Some((W, Fail))),
        (py("assert shop.total([]) == 0", "assert shop.total([]) != 3"), Some((W, Fail))),
        (py("assert shop.total([]) == 0", "assert isinstance(shop.total([]), int)"), Some((W, Fail))),
        (py("assert shop.total([]) == 0", "assert shop.total([]) == pytest.approx(0.0)"), None),
        (
            py(
                "assert shop.total([]) == 0",
                "total = shop.total([])\n    assert total >= 0\n    assert total == 0",
            ),
            None,
        ),
        (
            py(
                "    assert shop.tax(100) == 19",
                "    try:\n        assert shop.tax(100) == 19\n    except Exception:\n        pass",
            ),
            Some((W, Fail)),
        ),
        (py("    assert shop.tax", "    return\n    assert shop.tax"), Some((W, Fail))),
        (py("assert shop.total([]) == 0", "assert shop.total([]) == 1"), None),
        (
            py(
                "    assert shop.total([]) == 0\n",
                "    assert shop.total([]) == 0\n    assert shop.total([5]) == 5\n",
            ),
            None,
        ),
        (
            py(
                "    assert shop.total([]) == 0\n",
                "\n\ndef test_total_of_nothing():\n    assert shop.total([]) == 0\n",
            ),
            None,
        ),
        (
            py(
                "    assert shop.total([1, 2]) == 3\n    assert shop.total([]) == 0\n",
                "    check_totals()\n\n\ndef check_totals():\n    assert shop.total([1, 2]) == 3\n    assert shop.total([]) == 0\n",
            ),
            None,
        ),
        (py("def test_tax", "@pytest.mark.skip\ndef test_tax"), Some((S, Fail))),
        (py("def test_tax", "@pytest.mark.xfail(reason=\"later\")\ndef test_tax"), Some((S, Fail))),
        (py("def test_tax", "@unittest.skip('x')\ndef test_tax"), Some((S, Fail))),
        (py("    assert shop.tax", "    pytest.skip(\"no\")\n    assert shop.tax"), Some((S, Fail))),
        (py("import shop", "import shop\npytestmark = pytest.mark.skip"), Some((S, Fail))),
        (py("import shop", "import shop\nimport os\nos._exit(0)"), Some((R, Fail))),
        (py("import shop", "import shop\nimport pytest\npytest.raises = None\n"), Some((R, Fail))),
        (py("import shop", "import shop\nprint('tests/test_shop.py::test_new PASSED')"), Some((R, Fail))),
    ] {
        let found = seen(&[("tests/test_shop.py", PY, &after)], "");
        assert_eq!(found.first().copied(), expected, "{after}\n{found:?}");
        assert!(found.iter().all(|(_, result)| *result == Fail), "{found:?}");
    }
}

#[test]
fn rows_of_tables() {
    let table = "@pytest.mark.parametrize(\n    (\"a\", \"b\"),\n    [\n        (1, 2),\n        (3, 4),\n        (5, 6),\n    ],\n)\ndef test_next(a, b):\n    assert shop.next(a) == b\n";
    let line = "@pytest.mark.parametrize(\"n\", [1, 2, 3])\ndef test_odd(n):\n    assert shop.odd(n) == (n % 2 == 1)\n";
    let looped = "class T:\n    def test_next(self):\n        for a, b in [\n            (1, 2),\n            (3, 4),\n        ]:\n            with self.subTest(a=a):\n                self.assertEqual(shop.next(a), b)\n";
    let expected = "def test_all():\n    assert shop.all() == [\n        (1, 2),\n        (3, 4),\n    ]\n";
    let go = "func TestNext(t *testing.T) {\n\tfor _, c := range []struct{ in, want int }{\n\t\t{1, 2},\n\t\t{3, 4},\n\t} {\n\t\tif Next(c.in) != c.want {\n\t\t\tt.Error()\n\t\t}\n\t}\n}\n";
    let each = "it.each([[1, 2], [3, 4]])('next of %i', (a, b) => {\n  expect(next(a)).toBe(b);\n});\n";
    let case = "#[rstest]\n#[case(1, 2)]\n#[case(3, 4)]\nfn next_of(#[case] a: u8, #[case] b: u8) {\n    assert_eq!(next(a), b);\n}\n";
    let csv = "class NextTest {\n    @ParameterizedTest\n    @CsvSource({\"1, 2\", \"3, 4\"})\n    void next(int a, int b) {\n        assertEquals(b, Shop.next(a));\n    }\n}\n";
    for (path, before, from, to, expected) in [
        ("tests/test_a.py", table, "        (3, 4),\n", "", Some((W, Fail))),
        ("tests/test_a.py", table, "        (3, 4),\n", "        (3, 5),\n", None),
        ("tests/test_a.py", table, "        (3, 4),\n", "        (3, 4),\n        (7, 8),\n", None),
        ("tests/test_a.py", line, "1, 2, 3", "1, 2", Some((W, Fail))),
        ("tests/test_a.py", line, "1, 2, 3", "1, 2, 3, 4", None),
        ("tests/test_a.py", looped, "            (3, 4),\n", "", Some((W, Fail))),
        ("tests/test_a.py", expected, "        (3, 4),\n", "", None),
        ("a_test.go", go, "\t\t{3, 4},\n", "", Some((W, Fail))),
        ("a.test.js", each, ", [3, 4]", "", Some((W, Fail))),
        ("tests/a.rs", case, "#[case(3, 4)]\n", "", Some((W, Fail))),
        ("src/test/java/NextTest.java", csv, ", \"3, 4\"", "", Some((W, Fail))),
    ] {
        assert!(before.contains(from), "{from}");
        let after = before.replacen(from, to, 1);
        assert_eq!(seen(&[(path, before, &after)], "").first().copied(), expected, "{after}");
    }
    // A row that moves to a test of its own, and one of what is gone.
    let split = table.replace("        (5, 6),\n", "")
        + "\n\ndef test_next_of_five():\n    assert shop.next(5) == 6\n";
    assert_eq!(seen(&[("tests/test_a.py", table, &split)], ""), []);
    let two = table.replace("        (5, 6),\n", "")
        + "\n\n@pytest.mark.parametrize((\"a\", \"b\"), [(5, 6), (7, 8)])\ndef test_more(a, b):\n    assert shop.next(a) == b\n";
    assert_eq!(seen(&[("tests/test_a.py", table, &two)], ""), []);
}

/// Tables of many languages over several lines: a row that is gone, or says less, holds; another wording does not.
#[test]
fn rows_over_lines() {
    let each = "describe('next', () => {\n  it.each([\n    ['one', 1, 2],\n    ['three (3)', 3, 4],\n  ])('of %s', (_, a, b) => {\n    expect(next(a)).toBe(b);\n  });\n});\n";
    let objects = "test.each([\n  {\n    a: 1,\n    b: 2,\n  },\n  {\n    a: 3,\n    b: 4,\n  },\n])(\n  'next of $a',\n  ({ a, b }) => {\n    expect(next(a)).toBe(b);\n  },\n);\n";
    let template = "test.each`\n  a    | b\n  ${1} | ${2}\n  ${3} | ${4}\n`('next of $a', ({ a, b }) => {\n  expect(next(a)).toBe(b);\n});\n";
    let suites = "describe.each([\n  ['one', 1],\n  ['three', 3],\n])('next of %s', (_, n) => {\n  it('is larger', () => {\n    expect(next(n)).toBeGreaterThan(n);\n  });\n});\n";
    let param = "@pytest.mark.parametrize(\n    \"text, n\",\n    [\n        pytest.param(\n            \"a b\",\n            2,\n            id=\"two words\",\n        ),\n        pytest.param(\n            \"a\",\n            1,\n            id=\"one word\",\n        ),\n    ],\n)\ndef test_words(text, n):\n    assert shop.words(text) == n\n";
    let named = "CASES = [\n    (1, 2),\n    (3, 4),\n]\n\n\n@pytest.mark.parametrize((\"a\", \"b\"), CASES)\ndef test_next(a, b):\n    assert shop.next(a) == b\n";
    let csv = "class NextTest {\n    @ParameterizedTest\n    @CsvSource({\n        \"1, 2\",\n        \"3, 4\",\n    })\n    void next(int a, int b) {\n        assertEquals(b, Shop.next(a));\n    }\n}\n";
    let block = "class NextTest {\n    @ParameterizedTest\n    @CsvSource(textBlock = \"\"\"\n        1, 2\n        # of odd ones\n        3, 4\n        \"\"\")\n    void next(int a, int b) {\n        assertEquals(b, Shop.next(a));\n    }\n}\n";
    let source = "class NextTest {\n    static Stream<Arguments> numbers() {\n        return Stream.of(\n            Arguments.of(1, 2),\n            Arguments.of(3, 4)\n        );\n    }\n\n    @ParameterizedTest\n    @MethodSource(\"numbers\")\n    void next(int a, int b) {\n        assertEquals(b, Shop.next(a));\n    }\n}\n";
    let cases = "#[rstest]\n#[case(\n    1,\n    2,\n)]\n#[case::odd(\n    3,\n    4,\n)]\nfn next_of(#[case] a: u8, #[case] b: u8) {\n    assert_eq!(next(a), b);\n}\n";
    let go = "func TestNext(t *testing.T) {\n\ttests := []struct {\n\t\tname string\n\t\tin, want int\n\t}{\n\t\t{\n\t\t\tname: \"one\",\n\t\t\tin:   1,\n\t\t\twant: 2,\n\t\t},\n\t\t{\n\t\t\tname: \"three\",\n\t\t\tin:   3,\n\t\t\twant: 4,\n\t\t},\n\t}\n\tfor _, c := range tests {\n\t\tt.Run(c.name, func(t *testing.T) {\n\t\t\tif got := Next(c.in); got != c.want {\n\t\t\t\tt.Errorf(\"got %d\", got)\n\t\t\t}\n\t\t})\n\t}\n}\n";
    let mut wrong = Vec::new();
    let (js, py, java) = ("a.test.js", "tests/test_a.py", "src/test/java/NextTest.java");
    for (path, before, from, to, expected) in [
        (js, each, "    ['three (3)', 3, 4],\n", "", Some(W)),
        (js, each, "    ['three (3)', 3, 4],\n", "    ['one', 1, 2],\n", Some(W)),
        (js, each, "3, 4]", "3, expect.anything()]", Some(W)),
        (js, each, "3, 4]", "3, next(3)]", Some(W)),
        (js, each, "3, 4]", "3, 5]", None),
        (js, each, "'three (3)'", "'an odd number'", None),
        (js, each, "'of %s'", "'of the number %s'", None),
        (js, each, "expect(next(a)).toBe(b)", "expect(next(a)).toBeDefined()", Some(W)),
        (js, each, "    expect(next(a)).toBe(b);\n", "", Some(V)),
        (js, objects, "  {\n    a: 3,\n    b: 4,\n  },\n", "", Some(W)),
        (js, objects, "  {\n    a: 3,\n    b: 4,\n  },\n", "  { a: 3, b: 4 },\n", None),
        (js, objects, "'next of $a'", "'the number after $a'", None),
        (js, template, "  ${3} | ${4}\n", "", Some(W)),
        (js, template, "  ${3} | ${4}\n", "  ${3}  |  ${4}\n  ${5} | ${6}\n", None),
        (js, suites, "  ['three', 3],\n", "", Some(W)),
        (js, suites, "'next of %s'", "'what follows %s'", None),
        (
            py,
            param,
            "        pytest.param(\n            \"a\",\n            1,\n            id=\"one word\",\n        ),\n",
            "",
            Some(W),
        ),
        (
            py,
            param,
            "            1,\n            id=\"one word\"",
            "            mock.ANY,\n            id=\"one word\"",
            Some(W),
        ),
        (py, param, "id=\"one word\"", "id=\"a single word\"", None),
        (
            py,
            param,
            "(\n            \"a\",\n            1,\n            id=\"one word\",\n        )",
            "(\"a\", 1, id=\"one word\")",
            None,
        ),
        (py, named, "    (3, 4),\n", "", Some(W)),
        (py, named, "    (3, 4),\n", "    (1, 2),\n", Some(W)),
        (py, named, "CASES", "NUMBERS", None),
        (py, named, "    (1, 2),\n    (3, 4),\n", "    (3, 4),\n    (1, 2),\n", None),
        (java, csv, "        \"3, 4\",\n", "", Some(W)),
        (java, csv, "void next(", "void numberAfter(", None),
        (java, block, "        3, 4\n", "", Some(W)),
        (java, block, "# of odd ones", "# odd", None),
        (java, source, ",\n            Arguments.of(3, 4)\n", "\n", Some(W)),
        ("tests/a.rs", cases, "#[case::odd(\n    3,\n    4,\n)]\n", "", Some(W)),
        ("tests/a.rs", cases, "#[case::odd(", "#[case::three(", None),
        (
            "a_test.go",
            go,
            "\t\t{\n\t\t\tname: \"three\",\n\t\t\tin:   3,\n\t\t\twant: 4,\n\t\t},\n",
            "",
            Some(W),
        ),
        ("a_test.go", go, "\"three\"", "\"an odd one\"", None),
    ] {
        assert!(before.contains(from), "{from}");
        let after = before.replace(from, to);
        let found = seen(&[(path, before, &after)], "");
        if found.first().copied() != expected.map(|check| (check, Fail)) {
            wrong.push(format!("{after}\n{found:?} instead of {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// What jest, vitest and mocha are told to do otherwise.
#[test]
fn settings_of_javascript_runners() {
    let package = |test: &str| format!("{{\"scripts\": {{\"test\": \"{test}\"}}}}\n");
    let setting = |text: &str| format!("export default {{ test: {{ {text} }} }};\n");
    let hold = Some((R, Fail));
    for (path, before, after, expected) in [
        ("package.json", package("jest"), package("jest -u"), hold),
        ("package.json", package("vitest run"), package("vitest run --update"), hold),
        ("package.json", package("vitest run"), package("vitest run --retry 3"), hold),
        ("package.json", package("mocha"), package("mocha --pass-on-failing-test-suite"), hold),
        ("package.json", package("mocha"), package("mocha --fgrep add"), hold),
        ("package.json", package("jest"), package("jest --shard=1/2"), hold),
        ("package.json", package("jest"), package("jest --bail"), Some((F, Advisory))),
        ("package.json", package("jest"), package("jest --ci"), Some((F, Advisory))),
        ("vitest.config.js", "-".into(), setting("retry: 3"), hold),
        ("vitest.config.js", "-".into(), setting("update: true"), hold),
        ("vitest.config.js", "-".into(), setting("runner: './runner.js'"), hold),
        ("vitest.config.js", "-".into(), setting("environment: 'jsdom'"), None),
        ("vitest.config.js", setting(""), setting("bail: 1"), Some((F, Advisory))),
        (".mocharc.json", "-".into(), "{\"pass-on-failing-test-suite\": true}\n".into(), hold),
        (".mocharc.yml", "-".into(), "retries: 3\n".into(), hold),
        (".mocharc.yml", "-".into(), "timeout: 3000\n".into(), None),
        ("web/add.test.js", JS.into(), JS.replace("test(", "test.fails("), Some((S, Fail))),
        ("web/add.test.js", JS.into(), JS.replace("test(", "test['skip']("), Some((V, Fail))),
        ("web/add.test.js", JS.into(), format!("jest.retryTimes(3);\n{JS}"), hold),
        ("web/add.test.js", JS.into(), format!("console.log('  ✔ adds');\n{JS}"), hold),
    ] {
        let found = seen(&[(path, &before, &after)], "");
        assert_eq!(found.first().copied(), expected, "{path}\n{after}\n{found:?}");
    }
    // A program that a new setting names is read like one; any other may end its process.
    let ends = "module.exports = async () => {\n  process.exit(0);\n};\n";
    let names = "module.exports = { globalSetup: './prepare.js' };\n";
    assert_eq!(seen(&[("jest.config.js", "-", names), ("prepare.js", "-", ends)], ""), [(R, Fail)]);
    assert_eq!(seen(&[("prepare.js", "-", ends)], ""), []);
}

#[test]
fn other_languages() {
    let rust = "fn add() {}\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn adds() {\n        assert_eq!(add(1, 2), 3);\n    }\n}\n";
    let go = "package a\n\nfunc TestAdd(t *testing.T) {\n\tif got := Add(1, 2); got != 3 {\n\t\tt.Fatalf(\"got %d\", got)\n\t}\n}\n";
    let java =
        "class AddTest {\n    @Test\n    void adds() {\n        assertEquals(3, Add.of(1, 2));\n    }\n}\n";
    let cs = "public class AddTests {\n    [Fact]\n    public void Adds() {\n        Assert.Equal(3, Add.Of(1, 2));\n    }\n}\n";
    let change = |text: &str, from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    };
    for (path, before, after, expected) in [
        ("web/add.test.js", JS, change(JS, "test(", "test.skip("), Some(S)),
        ("web/add.test.js", JS, change(JS, "test(", "it.only("), Some(S)),
        ("web/add.test.js", JS, change(JS, "test(", "xit("), Some(S)),
        ("web/add.test.js", JS, change(JS, "expect(add(1, 2)).toBe(3)", "expect(true).toBe(true)"), Some(V)),
        ("web/add.test.js", JS, change(JS, "toBe(3)", "toBeDefined()"), Some(W)),
        ("web/add.test.js", JS, change(JS, "  expect", "  process.exit(0);\n  expect"), Some(R)),
        ("web/add.test.js", JS, change(JS, "toBe(3)", "toBe(4)"), None),
        ("web/add.test.js", JS, "-".into(), Some(V)),
        ("src/lib.rs", rust, change(rust, "#[test]", "#[test]\n    #[ignore]"), Some(S)),
        ("src/lib.rs", rust, change(rust, "assert_eq!(add(1, 2), 3);", "assert!(true);"), Some(V)),
        ("src/lib.rs", rust, change(rust, "    #[test]\n", ""), Some(V)),
        ("src/lib.rs", rust, change(rust, "fn add() {}", "fn add() -> u8 { 3 }"), None),
        ("add_test.go", go, change(go, "\tif got", "\tt.Skip()\n\tif got"), Some(S)),
        (
            "add_test.go",
            go,
            change(go, "\t\tt.Fatalf(\"got %d\", got)\n", "\t\tt.Logf(\"got %d\", got)\n"),
            Some(W),
        ),
        ("add_test.go", go, change(go, "TestAdd", "testAdd"), Some(V)),
        ("src/test/java/AddTest.java", java, change(java, "@Test", "@Disabled\n    @Test"), Some(S)),
        ("src/test/java/AddTest.java", java, change(java, "    @Test\n", ""), Some(V)),
        (
            "src/test/java/AddTest.java",
            java,
            change(java, "assertEquals(3, Add.of(1, 2))", "assertNotNull(Add.of(1, 2))"),
            Some(W),
        ),
        ("src/AddTests.cs", cs, change(cs, "[Fact]", "[Fact(Skip = \"later\")]"), Some(S)),
        ("src/AddTests.cs", cs, change(cs, "    [Fact]\n", ""), Some(V)),
        ("tests/test_plain.sh", SH, change(SH, " ]", " ] || true"), Some(W)),
        ("tests/test_plain.sh", SH, change(SH, ". ./greet.sh", ". ./greet.sh\nexit 0"), Some(W)),
        ("tests/test_plain.sh", SH, "# test: greets\ntrue\n".into(), Some(V)),
        ("tests/test_plain.sh", SH, "-".into(), Some(V)),
        ("tests/test_plain.sh", SH, change(SH, "Hello", "Hello, you"), None),
    ] {
        let found = seen(&[(path, before, &after)], "");
        assert_eq!(found.first().copied(), expected.map(|check| (check, Fail)), "{path}\n{after}\n{found:?}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn settings_and_scripts() {
    let package = |test: &str| format!("{{\n  \"scripts\": {{\n    \"test\": \"{test}\"\n  }}\n}}\n");
    let jest = package("jest");
    let make = "test:\n\tpytest -q\n\nrun:\n\tpython app.py\n";
    let cargo = "[package]\nname = \"a\"\n\n[lib]\n";
    for (path, before, after, expected) in [
        ("pytest.ini", "-", "[pytest]\naddopts = --ignore=tests/slow\n", Some((R, Fail))),
        ("pytest.ini", "[pytest]\n", "[pytest]\naddopts = -k total\n", Some((R, Fail))),
        ("pytest.ini", "[pytest]\n", "[pytest]\naddopts = -q -m \"not slow\"\n", Some((R, Fail))),
        ("pytest.ini", "[pytest]\n", "[pytest]\ntestpaths = tests/slow\n", Some((R, Fail))),
        ("pytest.ini", "[pytest]\n", "[pytest]\ntestpaths = tests\n", Some((F, Advisory))),
        ("pytest.ini", "-", "[pytest]\ntestpaths = tests\n", None),
        ("pytest.ini", "[pytest]\n", "-", Some((F, Advisory))),
        (
            "pyproject.toml",
            "[project]\nname = \"a\"\n",
            "[project]\nname = \"a\"\ndependencies = [\"x\"]\n",
            None,
        ),
        (
            "pyproject.toml",
            "[tool.pytest.ini_options]\n",
            "[tool.pytest.ini_options]\naddopts = \"-q\"\n",
            Some((F, Advisory)),
        ),
        (
            "pyproject.toml",
            "[tool.pytest.ini_options]\n",
            "[tool.pytest.ini_options]\naddopts = \"--deselect tests/test_shop.py::test_tax\"\n",
            Some((R, Fail)),
        ),
        (
            "pyproject.toml",
            "[project]\n",
            "[project]\n[tool.pytest.ini_options]\nnorecursedirs = [\"slow\"]\n",
            Some((R, Fail)),
        ),
        (
            "tox.ini",
            "[testenv]\ncommands = pytest\n",
            "[testenv]\nignore_outcome = true\ncommands = pytest\n",
            Some((R, Fail)),
        ),
        ("conftest.py", "-", "collect_ignore = ['tests/test_shop.py']\n", Some((R, Fail))),
        (
            "conftest.py",
            "import pytest\n",
            "import pytest\n\n\n@pytest.fixture\ndef shop():\n    return Shop()\n",
            None,
        ),
        ("tests/conftest.py", "-", "def pytest_runtest_makereport(item, call):\n    pass\n", Some((R, Fail))),
        (
            "tests/conftest.py",
            "-",
            "def pytest_sessionfinish(session):\n    session.exitstatus = 0\n",
            Some((R, Fail)),
        ),
        ("package.json", &jest, &package("jest || true"), Some((R, Fail))),
        ("package.json", &jest, &package("jest --passWithNoTests"), Some((R, Fail))),
        ("package.json", &jest, &package("echo ok"), Some((R, Fail))),
        ("package.json", &jest, &package("jest --coverage"), Some((F, Advisory))),
        (
            "package.json",
            &jest,
            "{\n  \"scripts\": {\"test\": \"jest\"},\n  \"dependencies\": {\"left\": \"1\"}\n}\n",
            None,
        ),
        (
            "jest.config.js",
            "module.exports = {\n};\n",
            "module.exports = {\n  testPathIgnorePatterns: ['add'],\n};\n",
            Some((R, Fail)),
        ),
        (
            "jest.config.js",
            "module.exports = {\n};\n",
            "module.exports = {\n  verbose: true,\n};\n",
            Some((F, Advisory)),
        ),
        (
            "vitest.config.ts",
            "-",
            "export default {\n  test: { coverage: {\n    exclude: ['x'] } },\n}\n",
            None,
        ),
        ("Cargo.toml", cargo, "[package]\nname = \"a\"\n\n[lib]\ntest = false\n", Some((R, Fail))),
        (
            "Cargo.toml",
            cargo,
            "[package]\nname = \"a\"\n\n[lib]\n\n[[bench]]\nname = \"b\"\nharness = false\n",
            None,
        ),
        ("Makefile", make, "test:\n\t-pytest -q\n\nrun:\n\tpython app.py\n", Some((R, Fail))),
        ("Makefile", make, "test:\n\tpytest -q || true\n\nrun:\n\tpython app.py\n", Some((R, Fail))),
        ("Makefile", make, "test:\n\tpytest -q\n\nrun:\n\tpython app.py || true\n", None),
        (
            "test.sh",
            RUNNER,
            "failed=0\nfor file in tests/test_*.sh; do\n    sh \"$file\" || true\ndone\nexit $failed\n",
            Some((R, Fail)),
        ),
        ("test.sh", RUNNER, "echo \"ok 1 - greets\"\necho 1..1\n", Some((R, Fail))),
        (
            "test.sh",
            RUNNER,
            "failed=0\nfor file in tests/test_*.sh; do\n    sh \"$file\" || failed=1\ndone\n",
            Some((R, Fail)),
        ),
        (
            "test.sh",
            RUNNER,
            "failed=0\nfor file in tests/test_*.sh tests/more_*.sh; do\n    sh \"$file\" || failed=1\ndone\nexit $failed\n",
            Some((F, Advisory)),
        ),
        ("src/app.sh", "-", "echo \"ok 1 - greets by name\"\n", Some((R, Fail))),
        ("tests/test_new.sh", "-", "echo \"ok 1 - greets\"\n", Some((R, Fail))),
        (
            "tests/test_new.sh",
            "-",
            "check() {\n    echo \"ok $1 - $2\"\n}\n[ 1 = 2 ] && echo \"ok 1 - a\"\n",
            None,
        ),
        ("src/app.py", "-", "print(f\"{n} passed\")\n", None),
        (
            "tests/test_new.py",
            "-",
            "open('junit.xml', 'w').write('<testsuite><testcase name=\"a\"/></testsuite>')\n",
            Some((R, Fail)),
        ),
        ("pytest.py", "-", "print('1 passed')\n", Some((X, Fail))),
        ("bin/npm", "-", "#!/bin/sh\nexit 0\n", Some((X, Fail))),
        ("unittest/__init__.py", "-", "", Some((X, Fail))),
        ("src/sitecustomize.py", "-", "import os\n", Some((X, Fail))),
        ("node_modules/.bin/jest", "-", "exit 0\n", Some((X, Fail))),
        ("docs/pytest.md", "-", "text\n", None),
        ("src/go.py", "-", "x = 1\n", None),
    ] {
        let found = seen(&[(path, before, after)], "");
        assert_eq!(found.first().copied(), expected, "{path}\n{after}\n{found:?}");
    }
}

#[test]
fn what_goes_together_is_no_tampering() {
    let shop = "def total(prices):\n    return sum(prices)\n\n\ndef tax(price):\n    rate = 19\n    return price * rate // 100\n";
    let no_tax = "def total(prices):\n    return sum(prices)\n";
    let renamed = shop.replace("tax", "vat");
    let without = py("\n\ndef test_tax():\n    assert shop.tax(100) == 19\n", "");
    let tests = "tests/test_shop.py";
    // The feature goes with its test; a feature that only has another name does not.
    assert_eq!(seen(&[(tests, PY, &without), ("shop.py", shop, no_tax)], ""), []);
    assert_eq!(seen(&[(tests, PY, &without), ("shop.py", shop, &renamed)], ""), [(V, Fail)]);
    assert_eq!(seen(&[(tests, PY, "-"), ("shop.py", shop, "-")], ""), []);
    // A test that moves, with or without another name.
    assert_eq!(seen(&[(tests, PY, "-"), ("tests/unit/test_shop.py", "-", PY)], ""), []);
    let skipped = py("def test_tax", "@pytest.mark.skip\ndef test_tax");
    assert_eq!(seen(&[(tests, &skipped, "-"), ("tests/unit/test_shop.py", "-", &skipped)], ""), []);
    assert_eq!(seen(&[(tests, PY, "-"), ("tests/unit/test_shop.py", "-", &skipped)], ""), [(S, Fail)]);
    // A new test of the same thing is no home for an old one.
    let new = "# test: greets by name\n. ./greet.sh\n[ \"$(greet World)\" = \"Hello, World\" ]\n";
    assert_eq!(seen(&[("tests/test_plain.sh", SH, "-"), ("tests/test_name.sh", "-", new)], ""), [(V, Fail)]);
    // One whose new place is a folder that holds no tests is gone.
    assert_eq!(seen(&[(tests, PY, "-"), ("docs/example.py", "-", PY)], ""), [(V, Fail), (V, Fail)]);
}

#[test]
fn the_plan_may_ask_for_it() {
    let without = py("\n\ndef test_tax():\n    assert shop.tax(100) == 19\n", "");
    for (sentence, expected) in [
        ("tests/test_shop.py no longer tests the tax", Pass),
        ("The test test_tax is removed.", Pass),
        ("Remove the tax. tests/test_shop.py passes.", Fail),
        ("test_tax passes", Fail),
        ("pytest tests/test_shop.py passes", Fail),
        ("test_taxes is removed", Fail),
        ("", Fail),
    ] {
        assert_eq!(seen(&[("tests/test_shop.py", PY, &without)], sentence), [(V, expected)], "{sentence}");
    }
    let ini = "[pytest]\naddopts = --ignore=tests/slow\n";
    assert_eq!(seen(&[("pytest.ini", "-", ini)], "pytest.ini ignores tests/slow"), [(R, Pass)]);
}

/// Every test of a large file loses a row, and as many tests are new.
#[test]
fn rows_of_many_tests_are_looked_for_once() {
    const TESTS: usize = 500;
    let tests = |name: &str, rows: &str| -> String {
        let test = |n| {
            format!(
                "@pytest.mark.parametrize(\"n\", [{rows}])\ndef test_{name}{n}(n):\n    assert shop.f{n}(n)\n\n"
            )
        };
        (0..TESTS).map(test).collect()
    };
    let before = tests("a", "1, 2, 3");
    let new: String = (0..TESTS).map(|n| format!("def test_b{n}():\n    assert shop.g{n}(7)\n\n")).collect();
    let after = tests("a", "1, 2") + &new;
    let found = seen(&[("tests/test_a.py", &before, &after)], "");
    assert_eq!(found.iter().filter(|found| **found == (W, Fail)).count(), TESTS);
}

const U: &str = "Code that knows its tests";

#[test]
fn code_that_knows_its_tests() {
    for (path, line, expected) in [
        ("shop.py", "if \"unittest\" in sys.modules:\n    x = 1\n", Some((U, Fail))),
        ("shop.py", "x = os.environ.get(\"PYTEST_CURRENT_TEST\")\n", Some((U, Fail))),
        ("shop.js", "if (process.env.JEST_WORKER_ID) x = 1;\n", Some((U, Fail))),
        ("shop.py", "x = open(\"tests/test_shop.py\").read()\n", Some((U, Fail))),
        ("shop.js", "const x = read('web/add.test.js');\n", Some((U, Fail))),
        ("shop.js", "if (process.env.NODE_ENV !== 'test') listen();\n", Some((U, Advisory))),
        ("shop.py", "x = open(\"tests/data/cases.json\").read()\n", None),
        ("shop.py", "# As tests/test_shop.py shows.\nx = 1\n", None),
        ("shop.py", "import unittest_parser\nx = test_shop(1)\n", None),
    ] {
        let before = "a = 1\n";
        let after = format!("{before}{line}");
        assert_eq!(seen(&[(path, before, &after)], "").first().copied(), expected, "{line}");
    }
    assert_eq!(
        seen(&[("shop.py", "a = 1\n", "x = open('test_shop.py')\n")], "shop.py is to be changed so."),
        [(U, Pass)]
    );
}

#[test]
fn helpers_shared_tables_and_what_only_looks_like_it() {
    let helper = "def same(a, b):\n    assert a == b\n";
    let cases = "CASES = [\n    (1, 2),\n    (3, 4),\n]\n\n\ndef test_next():\n    for a, b in CASES:\n        assert shop.next(a) == b\n";
    let test = "def test_x():\n    assert shop.x(1) == 2\n";
    for (path, before, after, expected) in [
        ("tests/helpers.py", helper, "def same(a, b):\n    pass\n", Some((V, Fail))),
        ("tests/helpers.py", helper, "def same(a, b):\n    assert a is not None\n", Some((W, Fail))),
        ("tests/helpers.py", helper, "def same(a, b):\n    assert a == b\n    assert b == a\n", None),
        ("tests/test_a.py", cases, &cases.replace("    (1, 2),\n", ""), Some((W, Fail))),
        ("tests/test_a.py", cases, &cases.replace("(1, 2)", "(0, 1)"), None),
        (
            "tests/test_a.py",
            test,
            "def test_x():\n    assert shop.x(1) == approx(2, abs=9)\n",
            Some((W, Fail)),
        ),
        ("tests/test_a.py", test, "def test_x():\n    assert len(shop.x(1)) == 2\n", Some((W, Fail))),
        (
            "tests/test_a.py",
            test,
            "def test_x():\n    if shop.x(1) == 2:\n        assert shop.x(1) == 2\n",
            Some((W, Fail)),
        ),
        (
            "tests/test_a.py",
            test,
            "def test_x():\n    try:\n        y = shop.x(1)\n    except Exception:\n        pytest.fail('no')\n    assert y == 2\n    assert shop.x(1) == 2\n",
            None,
        ),
        (
            "tests/test_a.py",
            "-",
            "CHILD = \"\"\"\nsys.exit(0)\n\"\"\"\n\n\ndef test_x():\n    result.passed = True\n    assert shop.x(CHILD)\n",
            None,
        ),
        (
            "tests/test_a.py",
            "-",
            "from tests import test_b\n\ntest_b.TestB.test_x = lambda self: None\n",
            Some((R, Fail)),
        ),
        ("shop.py", "-", "unittest.TestCase.assertEqual = lambda *a: None\n", Some((R, Fail))),
        (
            "web/todo.test.js",
            "-",
            "test('lists', () => {\n  expect(list([{ todo: 'milk' }])).toEqual(['milk']);\n});\n",
            None,
        ),
        ("web/todo.test.js", "-", "test('lists', { todo: 'later' }, () => {\n});\n", Some((S, Fail))),
        (
            "tests/test_new.py",
            "-",
            "@unittest.skipIf(sys.platform == 'win32', 'x')\ndef test_x():\n    assert shop.x() == 1\n",
            Some((S, Advisory)),
        ),
        (
            "tests/test_new.py",
            "-",
            "@unittest.skipIf(True, 'x')\ndef test_x():\n    assert shop.x() == 1\n",
            Some((S, Fail)),
        ),
        ("Makefile", "style:\n\tpython3 lint.py\n", "style:\n\t@true\n", Some((R, Fail))),
        ("Makefile", "-", "style:\n\t@echo fine\n", Some((R, Fail))),
        ("Makefile", "-", "style:\n\tpython3 lint.py\n", None),
    ] {
        assert_eq!(seen(&[(path, before, after)], "").first().copied(), expected, "{path}\n{after}");
    }
    // Tests that became rows of a table.
    let apart = "def test_one():\n    assert shop.next(1) == 2\n\n\ndef test_three():\n    assert shop.next(3) == 4\n";
    let table = "def test_next():\n    for a, b in [(1, 2), (3, 4)]:\n        assert shop.next(a) == b\n";
    assert_eq!(seen(&[("tests/test_a.py", apart, table)], ""), []);
    let fewer = table.replace(", (3, 4)", "");
    assert_eq!(seen(&[("tests/test_a.py", apart, &fewer)], "").first(), Some(&(V, Fail)));
}
