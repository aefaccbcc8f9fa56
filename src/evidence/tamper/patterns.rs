//! How test code looks: assertions, constants, things that swallow a failure. One line at a time.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use crate::evidence::pattern;

static ASSERTION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)\b(?:assert\w* | expect\w* | should\w* | must\w* | verify\w* | ensure\w* | check\w* | raises | throws | refute\w*)\b
          | \brequire\.\w+\( | \bt\.(?:Error|Errorf|Fatal|Fatalf|Fail|FailNow|is|deepEqual|equal)\( | \bXCTAssert | \b(?:ASSERT|EXPECT)_\w+\( | \bAssert\.",
    )
});
static SHELL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?:^|[\s!])\[{1,2}\s|\btest\s+[-!$\x22]|\bgrep\s+-\w*q|\bcmp\b|\bdiff\b|\|\|\s*(?:exit|return)\s+[1-9]",
    )
});
/// `assert True`, `expect(true).toBe(true)`: the two groups are what is compared, where two things are.
static CONSTANT: LazyLock<Regex> = LazyLock::new(|| {
    const LITERAL: &str = r#"(?:true|false|True|False|None|null|nil|\d+|"[^"]*"|'[^']*')"#;
    pattern(&format!(
        r"(?x)^(?:self\.|this\.|Assert\.|assert\.|t\.|\#|\s)*(?:
            assert\s+(?:True|1|not\s+False|not\s+None)\s*(?:,.*)?$
          | assert!?\(\s*(?:true|True|1)\s*[,)]
          | (?:assertTrue|True|IsTrue|ok|isTrue|Ok|XCTAssertTrue|XCTAssert|EXPECT_TRUE|ASSERT_TRUE)\(\s*(?:true|True|1)\s*[,)]
          | (?:assertFalse|False|IsFalse|isFalse)\(\s*(?:false|False|0)\s*[,)]
          | (?:assert\s+|\[{{1,2}}\s+|test\s+)(?P<a>{LITERAL})\s*(?:==|=|-eq)\s*(?P<b>{LITERAL})
          | (?:assert_eq!|assertEquals?|assert_equal|equal|strictEqual|deepEqual|AreEqual|Equal|EXPECT_EQ|ASSERT_EQ|XCTAssertEqual|is)\s*\(\s*(?P<c>{LITERAL})\s*,\s*(?P<d>{LITERAL})\s*[,)]
          | (?:expect|assertThat|expectThat)\(\s*(?P<e>{LITERAL})\s*\)\.(?:to\.)?(?:toBe|toEqual|toStrictEqual|isEqualTo|equal|be)\(\s*(?P<f>{LITERAL})\s*\)
          | expect\(\s*(?:true|1)\s*\)\.(?:toBeTruthy|to\.be\.ok|toBeDefined)
        )"
    ))
});
static SWALLOWS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)\|\|\s*(?:true|:|exit\s+0|return\s+0|echo\b) | \bor\s+True\b | ;\s*(?:true|exit\s+0)\s*$ | ^exit\s+0\b | ^set\s+\+e
          | ^except(?:\s+\(?(?:Exception|BaseException|AssertionError)\b[^:]*)?\s*: | \bcatch\s*(?:\([^)]*\))?\s*\{\s*\}
          | \bcontextlib\.suppress\( | \bsuppress\((?:Exception|AssertionError) | \.catch\(\s*\(?\w*\)?\s*=>\s*\{\s*\}\s*\)
          | ^rescue\b(?:\s+(?:StandardError|Exception))?\s*(?:=>.*)?$ | \bcatch_unwind\( | ^if\s+(?:false|False|0)\b
          | \bcatch\s*\(\s*(?:final\s+)?(?:Throwable|AssertionError|Error|Exception)\b",
    )
});
static EMPTY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:pass|\.\.\.|return(?:\s+(?:true|True|None|0))?|true|:|exit\s+0|[{}()\[\];,]*|done\(\)|Ok\(\(\)\)|skip.*)\s*;?$",
    )
});
static COMPARES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?x)== | != | >= | <= | \s[<>]\s | assert_eq | assert_ne | (?i:equal) | toBe\( | toMatch | toContain | toThrow | toHave | raises | throws
           | \bis\( | -eq\b | \s=\s | \bin\s | contains | matches | \bgrep\b | \bcmp\b | \bdiff\b"#,
    )
});
static FLAG: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)(?:==|!=|,|is|toBe\()\s*(?:not\s+)?(?:true|false|none|null|nil)\b"));
static CALL: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b([A-Za-z_]\w*)!?\s*\("));

/// Whether a line asserts something; `shell`: a command that fails is an assertion.
pub(super) fn is_assertion(line: &str, shell: bool) -> bool {
    ASSERTION.is_match(line) || (shell && SHELL.is_match(line))
}

/// An assertion that holds whatever the code does.
pub(super) fn is_constant(line: &str) -> bool {
    CONSTANT.captures(line.trim()).is_some_and(|found| {
        let sides: Vec<&str> = found.iter().skip(1).flatten().map(|side| side.as_str()).collect();
        sides.first() == sides.last()
    })
}

/// Something that keeps a failing assertion from failing the test.
pub(super) fn swallows(line: &str) -> bool {
    SWALLOWS.is_match(line.trim())
}

/// A line of a test that tests nothing.
pub(super) fn does_nothing(line: &str) -> bool {
    EMPTY.is_match(line.trim()) || is_constant(line)
}

/// Whether an assertion compares two things, and does not only ask whether something is there.
pub(super) fn compares(line: &str) -> bool {
    COMPARES.is_match(line)
}

static EXACT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?x)== | assert_eq | \b(?:assert)?(?:Are)?(?:Deep|Strict|Almost|Array|Iterable|List|Dict|Count|Sequence|deep|strict|array)?(?:Equals?|equals?)(?:To|CanonicalizingAttributes)?!?\( | \bassert_(?:almost_)?equal
           | toBe\( | toEqual\( | toStrictEqual\( | toBeCloseTo\( | isEqualTo\( | \.(?:to|should)\.(?:deep\.|be\.)?(?:eql?|equal|be)\( | \beq\( | \bapprox\( | -eq\b | \s=\s
           | (?:EXPECT|ASSERT)_(?:STR)?EQ | \bcmp\b | \bdiff\b | [Ss]napshot | !="#,
    )
});
/// Parts of a structure are compared: what an answer gains is no loss.
static PARTLY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"toMatchObject|objectContaining|arrayContaining|containsEntry|has_entries|containsOnly|containsExactly|ContainsSubset|toHaveProperty|IsSubset|issubset",
    )
});
/// Words that say how something is compared.
static COMPARING: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:\w*[Aa]ssert\w*|expect\w*|EXPECT_\w+|to[A-Z]\w*|is[A-Z]\w*|to|be|not|in|is|and|or|eq|ne|gt|lt|ge|le|True|False|None|true|false|null|nil|\w*[Ee]quals?\w*|[Cc]ontains\w*|[Mm]atch\w*|has\w*|starts_?[wW]ith|ends_?[wW]ith|len|length|self|this|t|got|want|if|Greater\w*|Less\w*|NotNil|NotEmpty|ok|grep|test|approx|pytest|any|isinstance|type|str|int|float|dict|list|tuple|set|re|search|bool|abs|round|Some|Ok|unwrap|delta|abs_tol|rel_tol|rel|places|atol|rtol|epsilon|tolerance)$",
    )
});
static NAME_OR_LITERAL: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#""[^"]*"|'[^']*'|`[^`]*`|\b[A-Za-z_]\w*\b"#));

/// Whether an assertion names the one value that it expects. Go states the failure: `got != want`.
pub(super) fn is_exact(line: &str) -> bool {
    EXACT.is_match(line) && !NEGATED.is_match(line)
}

static NEGATED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:assert|self\.assert(?-i:\w)*\().*!=|notEqual|not_equal|assert_ne|\.not\.|isNotEqual|AreNotEqual|_NE\(",
    )
});

/// Whether it names the values that parts of a structure have.
pub(super) fn is_partly_exact(line: &str) -> bool {
    PARTLY.is_match(line)
}

/// How far off a value may be.
static TOLERANT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\b(?:delta|abs|rel|places|abs_tol|rel_tol|atol|rtol|epsilon|tolerance|within)\s*[=:(]|toBeCloseTo\([^()]*,|InDelta|closeTo\(",
    )
});
/// How much there is, in the place of what it is.
static MEASURES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"\blen\(|\.(?:length|size|count|len)\b|\bcount\(|toHaveLength|assertCount|HasLen|\btype\(")
});
/// A shell's line that puts things away.
static CLEANS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:rm|rmdir|mkdir|kill|wait|unset|trap|umount|chmod|touch|cd|docker|podman)\b[^;&|]*\|\|\s*(?:true|:)\s*$",
    )
});
static FAILS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:raise\b|(?:(?:self|pytest|t|this|assert|Assert|Assertions)\.)?(?:fail\w*|Fail\w*)\(|assert\w*\b|self\.assert\w+\(|throw\b|t\.(?:Error|Fatal)f?\(|expect\(|panic!|reject\()|\{ \w+\.(?:Error|Fatal)f?\($",
    )
});

/// Whether an assertion takes values that are off.
pub(super) fn is_tolerant(line: &str) -> bool {
    TOLERANT.is_match(line)
}

/// Whether it looks at the number of things, or their type.
pub(super) fn measures(line: &str) -> bool {
    MEASURES.is_match(line)
}

/// Whether a command only puts away what the test made.
pub(super) fn cleans_up(line: &str) -> bool {
    CLEANS.is_match(line.trim())
}

/// Whether a line fails the test.
pub(super) fn fails(line: &str) -> bool {
    FAILS.is_match(line.trim())
}

/// Whether a line begins another function.
pub(super) fn begins_another(line: &str) -> bool {
    let line = line.trim_start();
    ["def ", "async def ", "class ", "fn ", "func ", "function ", "test(", "it("]
        .iter()
        .any(|word| line.starts_with(word))
}

/// What an assertion looks at: its names, without those that say how it compares and without literals.
pub(super) fn subject(line: &str) -> BTreeSet<&str> {
    let words = NAME_OR_LITERAL.find_iter(line).map(|m| m.as_str());
    words.filter(|word| !word.starts_with(['"', '\'', '`']) && !COMPARING.is_match(word)).collect()
}

/// Whether it compares with true, false or nothing.
pub(super) fn compares_a_flag(line: &str) -> bool {
    FLAG.is_match(line)
}

/// Names of the functions that a line calls.
pub(super) fn called(line: &str) -> impl Iterator<Item = &str> {
    CALL.captures_iter(line).filter_map(|c| Some(c.get(1)?.as_str()))
}

/// Whether it holds something against itself.
pub(super) fn compares_with_itself(line: &str) -> bool {
    let said = line.trim().trim_start_matches("assert ");
    said.split_once("==").is_some_and(|(one, other)| one.trim() == other.trim())
}

/// Whether it looks at what a promise comes to without anybody waiting for it.
pub(super) fn is_not_awaited(line: &str) -> bool {
    let awaited = ["await ", "return ", "=>"].iter().any(|word| line.contains(word));
    !awaited
        && line.starts_with("expect(")
        && [".resolves", ".rejects"].iter().any(|word| line.contains(word))
}

/// What makes a block run under a condition only.
pub(super) fn is_condition(line: &str) -> bool {
    line.starts_with("if ") || line.starts_with("if(")
}

static OVER_NOTHING: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:async\s+)?for\b.*\b(?:in|of)\s*\(?\s*(?:\[\s*\]|\(\s*\)|\{\s*\}|range\(\s*0\s*\)|(?:list|set|dict|tuple)\(\)|0\.\.0\b)|^while\s*\(?\s*(?:false|False|0)\b|^\[\s*\]\.\w+\(|^for\b.*\bi\s*<\s*0\b",
    )
});

/// A loop that never runs.
pub(super) fn loops_over_nothing(line: &str) -> bool {
    OVER_NOTHING.is_match(line)
}

static FUNCTION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\b(?:def|func|function|fn|fun|lambda)\b|=>|->|\|[^|]*\|\s*\{?$|^\w+\s*\(\)\s*\{|^(?:async\s+)?\w+\([^()]*\)\s*\{$",
    )
});
static NAMED_FUNCTION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:async\s+)?(?:def|function|fn|fun)\s+(\w+)|^(?:(?:const|let|var|val)\s+(?:mut\s+)?)?(\w+)\s*:?=\s*(?:async\b\s*)?(?:function\b|func\b|\([^()]*\)\s*(?::[^=]*)?=>|\w+\s*=>|\{?\s*\|[^|]*\||lambda\b)|^(\w+)\s*\(\)\s*\{",
    )
});

/// Whether a line begins a function, which returns for itself.
pub(super) fn begins_function(line: &str) -> bool {
    FUNCTION.is_match(line) && !is_condition(line)
}

/// The name of the function that a line defines, to be called elsewhere.
pub(super) fn defined_function(line: &str) -> Option<&str> {
    NAMED_FUNCTION.captures(line)?.iter().skip(1).flatten().next().map(|m| m.as_str())
}

static RETURNS: LazyLock<Regex> = LazyLock::new(|| pattern(r"^return\b"));
static RETURNS_WELL: LazyLock<Regex> = LazyLock::new(|| pattern(r"^return(?:\s+0)?\s*;?$"));

/// Whether a line leaves the test; in a shell, as if all were well.
pub(super) fn leaves(line: &str, shell: bool) -> bool {
    if shell { RETURNS_WELL.is_match(line) } else { RETURNS.is_match(line) }
}

static GUARDED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^if\b[^{]*?(?::|\))\s*(?:assert|expect\(|self\.assert)|\b(?:assert|expect)\b.*\sif\s.*\selse\s+(?:True|None|true)",
    )
});

/// Whether it asserts on the line of its condition.
pub(super) fn is_guarded(line: &str) -> bool {
    GUARDED.is_match(line)
}

static DEFINED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:(?:export|pub(?:\([^)]*\))?|async|private|public|protected|static|final|suspend)\s+)*(?:(?:def|fn|func|function|fun|void)\s+(?:\([^)]*\)\s*)?(\w+)\s*[(<]|(?:const|let|var)\s+(\w+)\s*=\s*(?:async\s*)?(?:\(|function\b|\w+\s*=>)|(\w+)\s*\(\)\s*\{|macro_rules!\s*(\w+))",
    )
});

/// The name of the function that a line of test code defines.
pub(super) fn defines(line: &str) -> Option<&str> {
    DEFINED.captures(line.trim_start())?.iter().skip(1).flatten().next().map(|m| m.as_str())
}

/// What an assertion says that takes anything: a pattern that fits every text, nothing that every text contains, any error.
static WILD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"["'`/]\^?\.[*+]\$?["'`/]|\b(?:assert\s+|assertIn\(\s*|[cC]ontains?\(\s*|toContain\(\s*|toMatch\(\s*|[sS]tarts_?[wW]ith\(\s*|[eE]nds_?[wW]ith\(\s*|include\(\s*)(?:""|''|``)\s*(?:\)|,|in\b)|\b(?:\w*[rR]aises|assertThrows|toThrow\w*|rejects|throws)\(\s*(?:Base)?(?:Exception|Error|Throwable)(?:\.class)?\s*[,)]|\btoThrow\w*\(\s*\)"#,
    )
});

/// Whether it takes anything.
pub(super) fn is_wild(line: &str) -> bool {
    WILD.is_match(line)
}
