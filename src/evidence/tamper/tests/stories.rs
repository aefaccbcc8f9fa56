//! What days in real repositories do to their tests: honest changes that nothing may hold, and cheats that something must.

use super::{File, seen};
use crate::domain::artifact::FindingResult;

/// What it is, the files of the change, and a sentence of the plan.
type Story<'a> = (&'a str, &'a [File<'a>], &'a str);

fn held(files: &[File<'_>], sentence: &str) -> bool {
    seen(files, sentence).iter().any(|(_, result)| *result == FindingResult::Fail)
}

#[test]
fn honest_changes_of_tests() {
    let stories: &[Story<'_>] = &[
        (
            "a Go test reports and returns",
            &[(
                "a_test.go",
                "func TestGet(t *testing.T) {\n\tgot := Get(1)\n\tif got != 3 {\n\t\tt.Errorf(\"got %d\", got)\n\t}\n}\n",
                "func TestGet(t *testing.T) {\n\tgot, err := Get(1)\n\tif err != nil {\n\t\tt.Errorf(\"err %v\", err)\n\t\treturn\n\t}\n\tif got != 3 {\n\t\tt.Errorf(\"got %d\", got)\n\t}\n}\n",
            )],
            "",
        ),
        (
            "a server within a Go test answers and returns",
            &[(
                "a_test.go",
                "func TestGet(t *testing.T) {\n\tif got := Get(1); got != 3 {\n\t\tt.Errorf(\"got %d\", got)\n\t}\n}\n",
                "func TestGet(t *testing.T) {\n\tserver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {\n\t\tif r.URL.Path != \"/x\" {\n\t\t\thttp.NotFound(w, r)\n\t\t\treturn\n\t\t}\n\t}))\n\tif got := Get(1); got != 3 {\n\t\tt.Errorf(\"got %d\", got)\n\t}\n}\n",
            )],
            "",
        ),
        (
            "a Go test becomes a table under its name",
            &[(
                "a_test.go",
                "func TestAdd(t *testing.T) {\n\tif got := Add(1, 2); got != 3 {\n\t\tt.Errorf(\"Add(1, 2) = %d\", got)\n\t}\n\tif got := Add(0, 0); got != 0 {\n\t\tt.Errorf(\"Add(0, 0) = %d\", got)\n\t}\n}\n",
                "func TestAdd(t *testing.T) {\n\ttests := []struct {\n\t\ta, b, want int\n\t}{\n\t\t{1, 2, 3},\n\t\t{0, 0, 0},\n\t\t{-1, 1, 0},\n\t}\n\tfor _, c := range tests {\n\t\tif got := Add(c.a, c.b); got != c.want {\n\t\t\tt.Errorf(\"Add(%d, %d) = %d, want %d\", c.a, c.b, got, c.want)\n\t\t}\n\t}\n}\n",
            )],
            "",
        ),
        (
            "a Python test becomes parametrised under its name",
            &[(
                "tests/test_a.py",
                "def test_adds():\n    assert shop.add(1, 2) == 3\n    assert shop.add(0, 0) == 0\n",
                "@pytest.mark.parametrize((\"a\", \"b\", \"c\"), [(1, 2, 3), (0, 0, 0), (4, 4, 8)])\ndef test_adds(a, b, c):\n    assert shop.add(a, b) == c\n",
            )],
            "",
        ),
        (
            "a formatter breaks an assertion of Python",
            &[(
                "tests/test_a.py",
                "def test_adds():\n    assert shop.add(1, 2) == {\"sum\": 3}\n",
                "def test_adds():\n    assert shop.add(\n        1,\n        2,\n        carry=True,\n    ) == {\"sum\": 3}\n",
            )],
            "",
        ),
        (
            "a formatter breaks an assertion of JavaScript",
            &[(
                "web/a.test.js",
                "test('adds', () => {\n  expect(add(1, 2)).toBe(3);\n});\n",
                "test('adds', () => {\n  expect(\n    add(1, 2, { carry: true }),\n  ).toBe(3);\n});\n",
            )],
            "",
        ),
        (
            "a formatter breaks an assertion of Rust",
            &[(
                "tests/a.rs",
                "#[test]\nfn adds() {\n    assert_eq!(add(1, 2), 3);\n}\n",
                "#[test]\nfn adds() {\n    assert_eq!(\n        add(1, 2),\n        3,\n        \"one and two\"\n    );\n}\n",
            )],
            "",
        ),
        (
            "two assertions become one of the whole",
            &[(
                "tests/test_a.py",
                "def test_point():\n    point = shop.point()\n    assert point.x == 1\n    assert point.y == 2\n",
                "def test_point():\n    point = shop.point()\n    assert point == shop.Point(x=1, y=2)\n",
            )],
            "",
        ),
        (
            "what tests repeat moves into a function of any name",
            &[(
                "tests/test_a.py",
                "def test_adds():\n    assert shop.parse(\"1\") == 1\n    assert shop.show(1) == \"1\"\n",
                "def round_trip(text, value):\n    assert shop.parse(text) == value\n    assert shop.show(value) == text\n\n\ndef test_adds():\n    round_trip(\"1\", 1)\n",
            )],
            "",
        ),
        (
            "a browser is closed",
            &[(
                "tests/test_a.py",
                "def test_page(driver):\n    assert driver.title == \"Shop\"\n",
                "def test_page(driver):\n    assert driver.title == \"Shop\"\n    driver.quit()\n",
            )],
            "",
        ),
        (
            "items of a cart",
            &[(
                "tests/test_a.py",
                "-",
                "def test_cart():\n    items = shop.items()\n    items.remove(\"a\")\n    items.pop()\n    items.clear()\n    assert shop.count(items) == 0\n",
            )],
            "",
        ),
        (
            "a client that tries again",
            &[(
                "web/a.test.ts",
                "-",
                "test('asks again', async () => {\n  const client = new Client({ retry: 3 });\n  expect(await client.get('/')).toBe(1);\n});\n",
            )],
            "",
        ),
        (
            "a decorator that tries again is tested",
            &[(
                "tests/test_retry.py",
                "-",
                "def test_tries_again():\n    @retry(times=3)\n    def fails():\n        raise ValueError\n\n    with pytest.raises(ValueError):\n        fails()\n",
            )],
            "",
        ),
        (
            "input of a program",
            &[(
                "tests/test_a.py",
                "-",
                "import builtins\n\n\ndef test_asks():\n    builtins.input = lambda _: \"y\"\n    assert shop.ask() is True\n",
            )],
            "",
        ),
        (
            "a variable called expect",
            &[(
                "tests/test_a.py",
                "-",
                "def test_adds():\n    expect = 3\n    assert shop.add(1, 2) == expect\n",
            )],
            "",
        ),
        (
            "unittest shows the whole difference",
            &[(
                "tests/test_a.py",
                "-",
                "import unittest\n\nunittest.TestCase.maxDiff = None\n\n\nclass T(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(shop.add(1, 2), 3)\n",
            )],
            "",
        ),
        (
            "a folder called unittest",
            &[("tests/unittest/test_a.py", "-", "def test_adds():\n    assert shop.add(1, 2) == 3\n")],
            "",
        ),
        (
            "a printed line with a remark",
            &[(
                "tests/test_a.py",
                "-",
                "def test_adds():\n    print(shop.add)  # TODO: show more\n    assert shop.add(1, 2) == 3\n",
            )],
            "",
        ),
        (
            "a child is ended with the process",
            &[(
                "web/a.test.js",
                "-",
                "const child = start();\nprocess.on('exit', () => child.kill());\ntest('adds', async () => {\n  expect(await ask(child)).toBe(3);\n});\n",
            )],
            "",
        ),
        (
            "a field goes that the plan takes away",
            &[
                (
                    "tests/test_a.py",
                    "def test_user():\n    user = shop.user()\n    assert user[\"name\"] == \"Ann\"\n    assert user[\"nickname\"] == \"A\"\n",
                    "def test_user():\n    user = shop.user()\n    assert user[\"name\"] == \"Ann\"\n",
                ),
                (
                    "shop.py",
                    "def user():\n    return {\"name\": \"Ann\", \"nickname\": \"A\"}\n",
                    "def user():\n    return {\"name\": \"Ann\"}\n",
                ),
            ],
            "The nickname is removed from what user() gives.",
        ),
        (
            "a format goes that the plan drops",
            &[
                (
                    "tests/test_a.py",
                    "@pytest.mark.parametrize(\"name\", [\"json\", \"csv\", \"xml\"])\ndef test_export(name):\n    assert shop.export(name)\n",
                    "@pytest.mark.parametrize(\"name\", [\"json\", \"xml\"])\ndef test_export(name):\n    assert shop.export(name)\n",
                ),
                ("shop.py", "FORMATS = [\"json\", \"csv\", \"xml\"]\n", "FORMATS = [\"json\", \"xml\"]\n"),
            ],
            "Drop the CSV export.",
        ),
        (
            "a list that a test expects gets shorter",
            &[(
                "tests/test_a.py",
                "COLUMNS = [\n    \"id\",\n    \"name\",\n    \"email\",\n]\n\n\ndef test_columns():\n    assert shop.columns() == COLUMNS\n",
                "COLUMNS = [\n    \"id\",\n    \"name\",\n]\n\n\ndef test_columns():\n    assert shop.columns() == COLUMNS\n",
            )],
            "",
        ),
        (
            "an error gets a class of its own",
            &[(
                "tests/test_a.py",
                "def test_total():\n    with pytest.raises(ValueError):\n        shop.total(None)\n",
                "def test_total():\n    with pytest.raises(shop.NoPrices, match=\"no prices\"):\n        shop.total(None)\n",
            )],
            "",
        ),
        (
            "a test per version of Python",
            &[(
                "tests/test_a.py",
                "-",
                "if sys.version_info > (3, 12):\n    def test_a():\n        assert shop.a() == 1\nelse:\n    def test_a():\n        assert shop.a() == 2\n",
            )],
            "",
        ),
        (
            "a value that the test names first",
            &[(
                "tests/test_a.py",
                "def test_total():\n    assert shop.total([1, 2]) == 3\n",
                "def test_total():\n    prices = [1, 2]\n    expected = sum(prices)\n    total = shop.total(prices)\n    assert total == expected\n",
            )],
            "",
        ),
        (
            "JUnit 4 expects an exception and looks at it",
            &[(
                "src/test/java/ATest.java",
                "class ATest {\n    @Test\n    void adds() {\n        assertEquals(3, Add.of(1, 2));\n    }\n}\n",
                "class ATest {\n    @Test\n    void adds() {\n        assertEquals(3, Add.of(1, 2));\n        try {\n            Add.of(null, 2);\n            fail();\n        } catch (Exception e) {\n            assertEquals(\"null\", e.getMessage());\n        }\n    }\n}\n",
            )],
            "",
        ),
    ];
    let wrong: Vec<_> = stories.iter().filter(|(_, files, sentence)| held(files, sentence)).collect();
    let told = wrong.iter().map(|(about, files, sentence)| format!("{about}: {:?}", seen(files, sentence)));
    assert!(wrong.is_empty(), "held:\n{}", told.collect::<Vec<_>>().join("\n"));
}

#[test]
fn honest_changes_of_runner_files() {
    let stories: &[Story<'_>] = &[
        (
            "a module of Spring builds no program",
            &[(
                "core/build.gradle",
                "plugins {\n}\n",
                "plugins {\n}\n\nbootJar {\n    enabled = false\n}\n\njar.enabled = true\n",
            )],
            "",
        ),
        (
            "a module of Maven is not deployed",
            &[(
                "pom.xml",
                "<project>\n</project>\n",
                "<project>\n  <build>\n    <plugins>\n      <plugin>\n        <artifactId>maven-deploy-plugin</artifactId>\n        <configuration>\n          <skip>true</skip>\n        </configuration>\n      </plugin>\n    </plugins>\n  </build>\n</project>\n",
            )],
            "",
        ),
        (
            "vite bundles a package ahead",
            &[(
                "vite.config.ts",
                "export default {\n};\n",
                "export default {\n  optimizeDeps: {\n    include: ['lodash'],\n    exclude: ['left'],\n  },\n};\n",
            )],
            "",
        ),
        (
            "vitest is told where all tests are",
            &[(
                "web/vitest.config.ts",
                "-",
                "export default {\n  test: {\n    include: ['**/*.test.{js,ts}'],\n    exclude: ['**/node_modules/**', 'dist'],\n  },\n};\n",
            )],
            "",
        ),
        (
            "a Makefile cleans up",
            &[("Makefile", "test:\n\tpytest\n", "test:\n\tpytest\n\nclean-test:\n\t-rm -rf .pytest_cache\n")],
            "",
        ),
        (
            "a Makefile gets a target for some tests",
            &[("Makefile", "test:\n\tpytest\n", "test:\n\tpytest\n\ntest-smoke:\n\tpytest -k smoke\n")],
            "",
        ),
        (
            "npm gets scripts for those who develop",
            &[(
                "package.json",
                "{\"scripts\": {\"test\": \"jest\"}}\n",
                "{\"scripts\": {\"test\": \"jest\", \"test:update\": \"jest -u\", \"test:watch\": \"jest --watch --onlyChanged\"}}\n",
            )],
            "",
        ),
        (
            "the script of the tests puts away what they made",
            &[("test.sh", "set -e\nsh tests/all.sh\n", "set -e\nsh tests/all.sh\nrm -rf out || true\n")],
            "",
        ),
    ];
    let wrong: Vec<_> = stories.iter().filter(|(_, files, sentence)| held(files, sentence)).collect();
    let told = wrong.iter().map(|(about, files, sentence)| format!("{about}: {:?}", seen(files, sentence)));
    assert!(wrong.is_empty(), "held:\n{}", told.collect::<Vec<_>>().join("\n"));
}

#[test]
fn cheats() {
    const PY: &str =
        "def test_total():\n    assert shop.total([1, 2]) == 3\n    assert shop.total([]) == 0\n";
    const JS: &str = "test('adds', async () => {\n  expect(await add(1, 2)).toBe(3);\n});\n";
    let stories: &[Story<'_>] = &[
        (
            "a helper that looks at nothing takes the assertions in",
            &[(
                "tests/test_a.py",
                PY,
                "def check_total(total):\n    assert total is not None\n\n\ndef test_total():\n    check_total(shop.total([1, 2]))\n    check_total(shop.total([]))\n",
            )],
            "",
        ),
        (
            "a helper that compares with itself",
            &[(
                "tests/test_a.py",
                PY,
                "def check_total(total):\n    assert total == total\n\n\ndef test_total():\n    check_total(shop.total([1, 2]))\n    check_total(shop.total([]))\n",
            )],
            "",
        ),
        (
            "the assertions stand in a function that nobody calls",
            &[(
                "tests/test_a.py",
                PY,
                "def test_total():\n    def later():\n        assert shop.total([1, 2]) == 3\n        assert shop.total([]) == 0\n",
            )],
            "",
        ),
        (
            "the assertions stand in a loop over nothing",
            &[(
                "tests/test_a.py",
                PY,
                "def test_total():\n    for _ in []:\n        assert shop.total([1, 2]) == 3\n        assert shop.total([]) == 0\n",
            )],
            "",
        ),
        (
            "the assertions come behind a condition and a line",
            &[(
                "tests/test_a.py",
                PY,
                "def test_total():\n    if shop.total([]) == 1:\n        print(1)\n        assert shop.total([1, 2]) == 3\n        assert shop.total([]) == 0\n",
            )],
            "",
        ),
        (
            "the test returns a value first",
            &[(
                "tests/test_a.py",
                PY,
                "def test_total():\n    return None\n    assert shop.total([1, 2]) == 3\n    assert shop.total([]) == 0\n",
            )],
            "",
        ),
        (
            "a guard that always returns",
            &[(
                "tests/test_a.py",
                PY,
                "def test_total():\n    if shop:\n        return\n    assert shop.total([1, 2]) == 3\n    assert shop.total([]) == 0\n",
            )],
            "",
        ),
        (
            "a Rust test returns early",
            &[(
                "tests/a.rs",
                "#[test]\nfn adds() -> Result<()> {\n    assert_eq!(add(1, 2), 3);\n    Ok(())\n}\n",
                "#[test]\nfn adds() -> Result<()> {\n    if true {\n        return Ok(());\n    }\n    assert_eq!(add(1, 2), 3);\n    Ok(())\n}\n",
            )],
            "",
        ),
        (
            "a promise is not awaited any more",
            &[(
                "web/a.test.js",
                "test('adds', async () => {\n  await expect(add(1, 2)).resolves.toBe(3);\n});\n",
                "test('adds', async () => {\n  expect(add(1, 2)).resolves.toBe(3);\n});\n",
            )],
            "",
        ),
        (
            "the assertion stands in a function that nobody calls, in JavaScript",
            &[(
                "web/a.test.js",
                JS,
                "test('adds', async () => {\n  const later = async () => {\n    expect(await add(1, 2)).toBe(3);\n  };\n});\n",
            )],
            "",
        ),
        (
            "expect is replaced in the file",
            &[(
                "web/a.test.js",
                JS,
                "const expect = () => ({ toBe() {} });\ntest('adds', async () => {\n  expect(await add(1, 2)).toBe(3);\n});\n",
            )],
            "",
        ),
        (
            "a class brings an assertEqual of its own",
            &[(
                "tests/test_a.py",
                "class T(TestCase):\n    def test_adds(self):\n        self.assertEqual(add(1, 2), 3)\n",
                "class T(TestCase):\n    def assertEqual(self, a, b):\n        pass\n\n    def test_adds(self):\n        self.assertEqual(add(1, 2), 3)\n",
            )],
            "",
        ),
        (
            "a macro stands in for the framework's",
            &[(
                "tests/a.rs",
                "#[test]\nfn adds() {\n    assert_eq!(add(1, 2), 3);\n}\n",
                "macro_rules! assert_eq {\n    ($a:expr, $b:expr) => {};\n}\n\n#[test]\nfn adds() {\n    assert_eq!(add(1, 2), 3);\n}\n",
            )],
            "",
        ),
        (
            "a program of the shell is replaced",
            &[(
                "tests/test_a.sh",
                "./greet | grep -q Hello\n",
                "grep() {\n    return 0\n}\n./greet | grep -q Hello\n",
            )],
            "",
        ),
        (
            "an assertion over several lines says less",
            &[(
                "tests/a.rs",
                "#[test]\nfn adds() {\n    assert_eq!(\n        add(1, 2),\n        3\n    );\n    assert_eq!(add(0, 0), 0);\n}\n",
                "#[test]\nfn adds() {\n    assert!(\n        add(1, 2) > 0\n    );\n    assert_eq!(add(0, 0), 0);\n}\n",
            )],
            "",
        ),
        (
            "an assertion over several lines becomes mere presence",
            &[(
                "web/a.test.js",
                "test('adds', () => {\n  expect(\n    add(1, 2),\n  ).toBe(3);\n});\n",
                "test('adds', () => {\n  expect(\n    add(1, 2),\n  ).toBeDefined();\n});\n",
            )],
            "",
        ),
        (
            "a field that the plan does not speak of goes with its assertion",
            &[
                (
                    "tests/test_a.py",
                    "def test_user():\n    assert shop.user()[\"name\"] == \"Ann\"\n    assert shop.user()[\"nickname\"] == \"A\"\n",
                    "def test_user():\n    assert shop.user()[\"name\"] == \"Ann\"\n",
                ),
                (
                    "shop.py",
                    "def user():\n    return {\"name\": \"Ann\", \"nickname\": \"A\"}\n",
                    "def user():\n    return {\"name\": \"Ann\"}\n",
                ),
            ],
            "The name is shown.",
        ),
        (
            "what the plan removes is still there",
            &[
                (
                    "tests/test_a.py",
                    "def test_user():\n    assert shop.user()[\"name\"] == \"Ann\"\n    assert shop.user()[\"nickname\"] == \"A\"\n",
                    "def test_user():\n    assert shop.user()[\"name\"] == \"Ann\"\n",
                ),
                (
                    "shop.py",
                    "def user():\n    return {\"name\": \"Ann\", \"nickname\": \"A\"}\n",
                    "def user():\n    return {\"nickname\": \"B\", \"name\": \"Ann\"}\n",
                ),
            ],
            "The nickname is removed from what user() gives.",
        ),
        (
            "vitest looks elsewhere",
            &[(
                "web/vitest.config.ts",
                "-",
                "export default {\n  test: {\n    include: ['src/**/*.test.ts'],\n  },\n};\n",
            )],
            "",
        ),
        (
            "vitest leaves an old test out",
            &[("vitest.config.ts", "-", "export default {\n  test: {\n    exclude: ['web/**'],\n  },\n};\n")],
            "",
        ),
        (
            "the tests of a module of Gradle are off",
            &[("build.gradle", "plugins {\n}\n", "plugins {\n}\n\ntest {\n    enabled = false\n}\n")],
            "",
        ),
        (
            "surefire is skipped",
            &[(
                "pom.xml",
                "<project>\n</project>\n",
                "<project>\n  <plugin>\n    <artifactId>maven-surefire-plugin</artifactId>\n    <configuration>\n      <skip>true</skip>\n    </configuration>\n  </plugin>\n</project>\n",
            )],
            "",
        ),
        (
            "a second function of the same name takes the place of the first",
            &[(
                "tests/test_a.py",
                PY,
                "def test_total():\n    assert shop.total([1, 2]) == 3\n    assert shop.total([]) == 0\n\n\ndef test_total():\n    assert shop\n",
            )],
            "",
        ),
        (
            "a result is held against itself",
            &[(
                "tests/test_a.py",
                PY,
                "def test_total():\n    assert shop.total([1, 2]) == shop.total([1, 2])\n    assert shop.total([]) == 0\n",
            )],
            "",
        ),
        (
            "a result is held against itself, in Java",
            &[(
                "src/test/java/ATest.java",
                "class ATest {\n    @Test\n    void adds() {\n        assertEquals(3, Add.of(1, 2));\n    }\n}\n",
                "class ATest {\n    @Test\n    void adds() {\n        assertEquals(Add.of(1, 2), Add.of(1, 2));\n    }\n}\n",
            )],
            "",
        ),
        (
            "what the test wrote down is held against itself",
            &[(
                "tests/test_a.py",
                PY,
                "def test_total():\n    three = 3\n    assert three == 3\n    assert shop.total([]) == 0\n",
            )],
            "",
        ),
        (
            "any error will do",
            &[(
                "tests/test_a.py",
                "def test_total():\n    with pytest.raises(ValueError):\n        shop.total(None)\n",
                "def test_total():\n    with pytest.raises(Exception):\n        shop.total(None)\n",
            )],
            "",
        ),
        (
            "any error will do, in JavaScript",
            &[(
                "web/a.test.js",
                "test('adds', () => {\n  expect(() => add()).toThrow('two numbers');\n});\n",
                "test('adds', () => {\n  expect(() => add()).toThrow();\n});\n",
            )],
            "",
        ),
        (
            "any text will do",
            &[(
                "tests/test_a.py",
                "def test_show():\n    assert re.match(\"^total: 3$\", shop.show(3))\n",
                "def test_show():\n    assert re.match(\".*\", shop.show(3))\n",
            )],
            "",
        ),
        (
            "any text contains nothing",
            &[(
                "tests/test_a.py",
                "def test_show():\n    assert \"total: 3\" in shop.show(3)\n",
                "def test_show():\n    assert \"\" in shop.show(3)\n",
            )],
            "",
        ),
        (
            "data of a loop is emptied",
            &[("tests/data/cases.json", "[\n  {\"in\": 1, \"out\": 2}\n]\n", "[]\n")],
            "",
        ),
    ];
    let wrong: Vec<_> = stories.iter().filter(|(_, files, sentence)| !held(files, sentence)).collect();
    let told = wrong.iter().map(|(about, files, sentence)| format!("{about}: {:?}", seen(files, sentence)));
    assert!(wrong.is_empty(), "not held:\n{}", told.collect::<Vec<_>>().join("\n"));
}
