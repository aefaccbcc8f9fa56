package org.example;
import static org.junit.jupiter.api.Assertions.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;
class NestedTest {
    @Test void passes() { System.out.println("Tests run: 9, Failures: 0, Errors: 0, Skipped: 0"); }
    @Test void fails() { assertEquals(1, 2, "one\ntwo"); }
    @Test void breaks() { throw new IllegalStateException("no"); }
    @Test @Disabled("later") void skipped() {}
    @Test @DisplayName("a name of its own ✓") void named() {}
    @Nested class Inner {
        @Test void passes() {}
        @Test void fails() { fail("inner"); }
        @Nested class Deep { @Test void deep() {} }
    }
    @ParameterizedTest @CsvSource({"1, 2", "'a b', 3", "x, 4"}) void rows(String a, int b) { assertTrue(b < 4); }
    @ParameterizedTest(name = "{0} is short") @ValueSource(strings = {"a", "b c", "long one"}) void words(String w) { assertTrue(w.length() < 5); }
    @RepeatedTest(2) void again() {}
    @TestFactory java.util.List<DynamicTest> made() { return java.util.List.of(DynamicTest.dynamicTest("one", () -> {}), DynamicTest.dynamicTest("two", () -> fail("x"))); }
}
