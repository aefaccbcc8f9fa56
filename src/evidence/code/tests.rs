//! Heuristics held against small texts of every language.

use super::test_text::TestText;
use super::worth::Worth::{self, Computed, Constant, Swallowed};
use super::*;

#[test]
fn worth_of_assertions() {
    hold(&[
        ("a.py", "from calc import add\ndef test_a():\n    assert add(1, 2) == 3\n", vec![Computed]),
        ("a.py", "from calc import LIMIT\ndef test_a():\n    assert LIMIT == 10\n", vec![Computed]),
        ("a.py", "import calc\nassert calc.add(1, 2) == 3\n", vec![Computed]),
        ("a.py", "from calc import add\nx = add(1, 2)\nassert x == 3, 'x'\n", vec![Computed]),
        ("a.py", "class T:\n    def test_a(self):\n        self.assertEqual(add(1, 2), 3)\n", vec![Computed]),
        ("a.py", "with self.assertRaises(ValueError):\n    f()\n", vec![Computed]),
        ("a.py", "with pytest.raises(ValueError):\n    f()\n", vec![Computed]),
        ("a.py", "def test_a(user):\n    assert user.name\n", vec![Computed]),
        ("a.py", "assert f'{add(1)}' == '1'\n", vec![Computed]),
        ("a.py", "assert True\nassert 1 == 1\nassert (1 == 1)\nassert 'add(1)'\n", vec![Constant; 4]),
        (
            "a.py",
            "from calc import add\nassert add\nassert add is not None\nassert callable(add)\n",
            vec![Constant; 3],
        ),
        (
            "a.py",
            "from calc import add\nself.assertTrue(add)\nself.assertIsNotNone(add)\n",
            vec![Constant; 2],
        ),
        (
            "a.py",
            "x = 1\ny = x\nassert y == 1\nassert len('abc') == 3\nself.assertEqual(x, 1)\n",
            vec![Constant; 3],
        ),
        (
            "a.py",
            "assert add(1) == 2 or True\nassert add(1) == add(1)\nself.assertEqual(f(), f())\n",
            vec![Constant; 3],
        ),
        ("a.py", "try:\n    assert add(1) == 2\nexcept Exception:\n    pass\n", vec![Swallowed]),
        (
            "a.py",
            "try:\n    assert add(1) == 2\nexcept AssertionError as e:\n    print(e)\n",
            vec![Swallowed],
        ),
        ("a.py", "try:\n    assert add(1) == 2\nexcept ValueError:\n    pass\n", vec![Computed]),
        ("a.py", "with suppress(AssertionError):\n    assert add(1) == 2\n", vec![Swallowed]),
        (
            "a.js",
            "const { add } = require('./a');\ntest('adds', () => { expect(add(1)).toBe(2); });\n",
            vec![Computed],
        ),
        (
            "a.js",
            "import { add } from './a';\nexpect(add).toBeDefined();\nexpect(true).toBe(true);\n",
            vec![Constant; 2],
        ),
        (
            "a.js",
            "assert.equal(add(1), 2);\nassert.ok(true);\nassert(1 === 1);\n",
            vec![Computed, Constant, Constant],
        ),
        ("a.js", "try { expect(add(1)).toBe(2); } catch (e) { }\n", vec![Swallowed]),
        (
            "a.js",
            "try { add(1); expect(add(1)).toBe(2) } catch (e) { expect(e.message).toBe('x'); }\n",
            vec![Computed, Computed],
        ),
        ("a.js", "if (add(1) !== 2) { throw new Error('no'); }\n", vec![Computed]),
        ("a.js", "expect(() => add()).toThrow('x');\n", vec![Computed]),
        (
            "a.rs",
            "assert_eq!(add(1, 2), 3);\nassert!(true);\nassert_eq!(1, 1);\nassert!(matches!(f(), Ok(_)));\n",
            vec![Computed, Constant, Constant, Computed],
        ),
        (
            "a.rs",
            "let got = add(1);\nassert!(got.is_ok(), \"{got:?}\");\nlet x = 4;\nassert_eq!(x, 4);\n",
            vec![Computed, Constant],
        ),
        ("a_test.go", "if got := Add(1); got != 2 {\n\tt.Errorf(\"no %d\", got)\n}\n", vec![Computed]),
        (
            "a_test.go",
            "if 1 != 1 {\n\tt.Fatal(\"no\")\n}\nassert.Equal(t, 3, Add(1, 2))\n",
            vec![Constant, Computed],
        ),
        (
            "A.java",
            "assertEquals(3, Calc.add(1, 2));\nassertTrue(true);\nassertThat(c.add(1)).isEqualTo(2);\n",
            vec![Computed, Constant, Computed],
        ),
        ("a.sh", "[ \"$(greet World)\" = \"Hello\" ]\n", vec![Computed]),
        ("a.sh", ". ./greet.sh\n[ 1 = 1 ]\n", vec![Constant]),
        ("a.sh", "x=1\n[ \"$x\" = 1 ]\n", vec![Constant]),
        ("a.sh", "out=$(greet)\n[ \"$out\" = Hello ] || exit 1\nexit 0\n", vec![Computed]),
        ("a.sh", "greet World | grep -q Hello\n", vec![Computed]),
        ("a.sh", ". ./greet.sh\n[ \"$(greet)\" = Hello ] || true\n", vec![Swallowed]),
        ("a.sh", ". ./greet.sh\n[ \"$(greet)\" = Hello ]\ntrue\n", vec![Swallowed]),
        ("a.sh", ". ./greet.sh\ngreet World\n", vec![Computed]),
        ("a.sh", ". ./greet.sh\ntrue\n", vec![]),
        ("a.py", "# assert add(1) == 2\nx = 'assert add(1)'\n", vec![]),
        ("a.py", "def assert_user(u):\n    assert u.name\n", vec![Computed]),
    ]);
}

#[test]
fn functions_of_the_test_file_and_values_that_are_filled() {
    hold(&[
        ("a.py", "def four():\n    return 4\ndef test_a():\n    assert four() == 4\n", vec![Constant]),
        ("a.py", "def same(x):\n    return x\ndef test_a():\n    assert same(4) == 4\n", vec![Constant]),
        ("a.py", "def same(x):\n    return x\ndef test_a():\n    assert same(add(1)) == 4\n", vec![Computed]),
        ("a.py", "def four():\n    return add(2)\ndef test_a():\n    assert four() == 4\n", vec![Computed]),
        (
            "a.py",
            "def four():\n    x = 2\n    return two() + x\ndef two():\n    return 2\nassert four() == 4\n",
            vec![Constant],
        ),
        ("a.py", "def run(client):\n    return client.get('/')\nassert run(app()) == 4\n", vec![Computed]),
        ("a.js", "function four() {\n  return 4;\n}\nexpect(four()).toBe(4);\n", vec![Constant]),
        ("a.js", "function four() {\n  return add(2, 2);\n}\nexpect(four()).toBe(4);\n", vec![Computed]),
        (
            "a_test.go",
            "func four() int { return 4 }\nfunc TestA(t *testing.T) {\n\tif four() != 4 {\n\t\tt.Error()\n\t}\n}\n",
            vec![Constant],
        ),
        // Values that the code under test fills.
        ("a.py", "seen = []\nrun(seen)\nassert seen == [1]\n", vec![Computed]),
        ("a.js", "const seen = [];\nrun((x) => seen.push(x));\nexpect(seen).toEqual([1]);\n", vec![Computed]),
        ("a.rs", "let mut seen = vec![];\nfill(&mut seen);\nassert_eq!(seen, [1]);\n", vec![Computed]),
        ("a.py", "x = 1\nprint(x)\nassert x == 1\n", vec![Constant]),
    ]);
}

/// Path, text, and the worth of its assertions in order.
type Row<'a> = (&'a str, &'a str, Vec<Worth>);

fn hold(rows: &[Row<'_>]) {
    for (path, text, worth) in rows {
        let found = TestText::new(path, text).assertions();
        let seen: Vec<_> = found.iter().map(|a| a.worth).collect();
        assert_eq!(seen, *worth, "{path}: {text}\n{found:?}");
    }
}

#[test]
fn a_corrected_expectation_is_the_same_assertion() {
    let key = |text: &str| TestText::new("a.py", text).assertions()[0].key.clone();
    assert_eq!(key("assert add(1, 2) == 3\n"), key("assert add( 1,2 ) == 30\n"));
    assert_eq!(key("assert name() == 'a'\n"), key("assert name() == 'bcd'\n"));
    assert_ne!(key("assert add(1, 2) == 3\n"), key("assert add(1, 2)\n"));
    assert_ne!(key("assert add(1, 2) == 3\n"), key("assert sub(1, 2) == 3\n"));
}

#[test]
fn tests_are_found_by_name_and_judged_by_body() {
    let python = "import calc\nclass T:\n    def test_real(self):\n        self.check(1)\n    def test_hollow(self):\n        self.assertTrue(True)\n    def check(self, n):\n        assert calc.add(n) == 2\n";
    let rust = "#[test]\nfn real() {\n    assert_eq!(add(1), 2);\n}\n#[test]\n#[should_panic]\nfn panics() {\n    add(0);\n}\n#[test]\nfn hollow() {\n    add(1);\n}\n";
    let js = "describe('calc', () => {\n  it('adds', () => {\n    expect(add(1)).toBe(2);\n  });\n  it('is hollow', () => {\n    add(1);\n  });\n});\n";
    for (path, text, name, asserts) in [
        ("test_a.py", python, "tests.test_a.T.test_real", Some(true)),
        ("test_a.py", python, "tests/test_a.py::T::test_hollow[1-2]", Some(false)),
        ("test_a.py", python, "test_other", None),
        ("a.rs", rust, "tests::real", Some(true)),
        ("a.rs", rust, "tests::panics", Some(true)),
        ("a.rs", rust, "tests::hollow", Some(false)),
        ("a.test.js", js, "calc > adds", Some(true)),
        ("a.test.js", js, "calc > is hollow", Some(false)),
        ("test_x.sh", "# test: greets\n[ \"$(greet)\" = x ]\n", "greets", Some(true)),
        ("test_x.sh", "# test: greets\n[ x = x ]\n", "greets", Some(false)),
    ] {
        let test = TestText::new(path, text);
        let all = test.assertions();
        let found = bodies::of_test(&test, name).map(|lines| bodies::asserts(&test, &all, &lines));
        assert_eq!(found, asserts, "{name}: {all:?}");
    }
}

#[test]
fn early_exits_are_seen() {
    for (path, text, quits) in [
        ("a.py", "import os\nos._exit(0)\n", true),
        ("a.py", "sys.exit(0)\n", true),
        ("a.py", "with patch('sys.exit'):\n    pass\n# sys.exit(0)\n", false),
        ("a.py", "sys.exit(main())\n", false),
        ("a.js", "process.exit(0);\n", true),
        ("a.rs", "std::process::exit(0);\n", true),
        ("a_test.go", "os.Exit(m.Run())\n", false),
        ("a.sh", "exit 0\n[ \"$(greet)\" = x ]\n", true),
        ("a.sh", "[ \"$(greet)\" = x ] || exit 1\nexit 0\n", false),
    ] {
        assert_eq!(bodies::quits(&TestText::new(path, text)).is_some(), quits, "{text}");
    }
}

#[test]
fn rust_files_are_split_at_their_test_items() {
    let now = "//! Doc.\nuse a::b;\n\npub fn add(a: i32) -> i32 {\n    a + 1 // {\n}\n\n#[cfg(test)]\nuse std::fs;\n\n#[cfg(test)]\nmod tests {\n    use super::*;\n    #[test]\n    fn adds() {\n        assert_eq!(add(1), '}' as i32);\n    }\n}\n\nimpl A {\n    #[cfg(test)]\n    fn probe(&self) {}\n    fn real(&self) {}\n}\n";
    let production = rust_tests::production_part(now);
    assert!(production.contains("pub fn add") && production.contains("fn real"), "{production}");
    for gone in ["mod tests", "assert_eq", "use std::fs", "probe"] {
        assert!(!production.contains(gone), "{gone}: {production}");
    }
    let before =
        "//! Doc.\npub fn old() {}\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn old_test() {}\n}\n";
    let mixed = rust_tests::recombined(before, now);
    for (text, there) in [
        ("pub fn old", true),
        ("fn adds", true),
        ("use std::fs", true),
        ("old_test", false),
        ("pub fn add", false),
        ("fn probe", false),
    ] {
        assert_eq!(mixed.contains(text), there, "{text}: {mixed}");
    }
    assert_eq!(rust_tests::production_part("#![cfg(test)]\nfn x() {}\n"), "");
    assert_eq!(rust_tests::production_part("#[cfg(all(test, unix))]\nmod t;\nfn a() {}\n"), "fn a() {}\n");
    assert_eq!(
        rust_tests::production_part("#[cfg(not(test))]\nfn a() {}\n"),
        "#[cfg(not(test))]\nfn a() {}\n"
    );
    assert_eq!(rust_tests::test_lines("fn a() {}\n#[tokio::test]\nasync fn b() {\n}\nfn c() {}\n"), [(2, 5)]);
}

#[test]
fn comments_and_layout_are_no_effect() {
    for (path, one, other, equal) in [
        ("a.py", "x = 1\n", "# why\nx = 1  # note\n\n", true),
        ("a.py", "def f():\n    return 1\n", "def f():\n    \"\"\"Says one.\"\"\"\n    return 1\n", true),
        ("a.py", "if a:\n    b()\nc()\n", "if a:\n    b()\n    c()\n", false),
        ("a.py", "x = 'a'\n", "x = 'b'\n", false),
        ("a.rs", "fn a() { b() }\n", "/// Says.\nfn a() {\n    b()\n}\n", true),
        ("a.js", "a('http://x')\n", "a('http://y')\n", false),
        ("a.sh", "echo \"$#\"\n", "echo \"$#\" # count\n", true),
        ("a.go", "a := 1 /* one */\n", "a := 1\n", true),
    ] {
        assert_eq!(effective(path, one) == effective(path, other), equal, "{path}: {one} {other}");
    }
}

#[test]
fn definitions_by_language() {
    for (path, text, names) in [
        ("a.py", "class User:\n    def create(self): pass\nLIMIT = 3\n", vec!["LIMIT", "User", "create"]),
        ("a.js", "export function add() {}\nexport const sub = () => 1;\n", vec!["add", "sub"]),
        ("a.rs", "pub fn add() {}\nstruct S;\nconst MAX: u8 = 1;\n", vec!["MAX", "S", "add"]),
        ("a.go", "func (s *Store) Get() {}\ntype Store struct{}\n", vec!["Get", "Store"]),
        ("A.java", "public class A {\n  public int add(int x) { return x; }\n}\n", vec!["A", "add"]),
        ("a.sh", "greet() {\n  echo\n}\n", vec!["greet"]),
    ] {
        let found = definitions(path, text);
        for name in names.into_iter().filter(|n| n.len() > 1) {
            assert!(found.contains(name), "{path} {name}: {found:?}");
        }
    }
}

#[test]
fn words_of_a_title_and_folders_are_no_functions() {
    for (path, text, name) in [
        ("a.js", "function number() {\n  return 1;\n}\n", "double > is twice the number"),
        ("a.js", "function adds() {\n  return 1;\n}\n", "adds two numbers"),
        ("conftest.py", "def tests():\n    return 1\n", "tests/test_cart.py::test_adds"),
        ("conftest.py", "def cart():\n    return 1\n", "tests/cart/test_sum.py::test_adds[cart]"),
        ("a_test.go", "func two() int {\n\treturn 2\n}\n", "TestDouble/two"),
        ("ATest.java", "class A {\n void example() {\n }\n}\n", "org.example.ATest.adds"),
    ] {
        assert_eq!(bodies::of_test(&TestText::new(path, text), name), None, "{name}");
    }
    for (path, text, name) in [
        ("a_test.go", "func TestDouble(t *testing.T) {\n}\n", "example.org/sums.TestDouble/two"),
        ("a.py", "def test_adds():\n    pass\n", "tests.test_a.T.test_adds (a=1)"),
        (
            "a.py",
            "class T:\n    def test_adds(self):\n        pass\n",
            "test_adds (tests.test_a.T.test_adds)",
        ),
        ("a.rs", "fn doubles() {\n}\n", "sums tests::doubles"),
        ("ATest.java", "class A {\n void adds() {\n }\n}\n", "org.example.ATest.adds[2]"),
        ("ATest.php", "function testAdds() {\n }\n", "ATest::testAdds with data set #0"),
    ] {
        assert!(bodies::of_test(&TestText::new(path, text), name).is_some(), "{name}");
    }
}

/// Whoever writes a text may call its helpers in any number of ways, and in circles.
#[test]
fn helpers_that_call_each_other_are_looked_at_once() {
    let helpers = |n: usize, last: &str, call: &dyn Fn(usize) -> String| {
        let calls = (0..n).map(|i| format!("def h{i}():\n    return {}\n", call(i + 1)));
        format!("{}def h{n}():\n    return {last}\n", calls.collect::<String>())
    };
    let twice = |i: usize| format!("h{i}() + h{i}()");
    let once = |i: usize| format!("h{i}()");
    let back = |i: usize| format!("h{i}() + h{}() + h0()", i / 2);
    for (helpers, expected) in [
        (helpers(60, "1", &twice), Constant),
        (helpers(60, "add(1)", &twice), Computed),
        (helpers(60, "h0()", &twice), Constant),
        (helpers(60, "1", &back), Constant),
        (helpers(60, "add(1)", &back), Computed),
        // As deep as a text is long.
        (helpers(5_000, "1", &once), Constant),
        (helpers(5_000, "add(1)", &once), Computed),
    ] {
        let text = format!(
            "{helpers}def test_a():\n    assert h30() == 1\n    assert h0() == 1\n    assert h59() == 1\n"
        );
        let found = TestText::new("a.py", &text).assertions();
        assert_eq!(found.iter().map(|a| a.worth).collect::<Vec<_>>(), vec![expected; 3], "{}", &text[..80]);
    }
}

/// What was found on the way to something computed is known of each of them.
#[test]
fn of_helpers_in_a_circle_all_compute_or_none() {
    hold(&[(
        "a.py",
        "def a():\n    return b() + c()\ndef b():\n    return a()\ndef c():\n    return d()\ndef d():\n    return add(1)\ndef e():\n    return 1\n\
         def test_a():\n    assert a() == 1\n    assert b() == 1\n    assert c() == 1\n    assert e() == 1\n    assert e() + b() == 1\n",
        vec![Computed, Computed, Computed, Constant, Computed],
    )]);
}
