package p
import ("testing"; "fmt"; "os")
func TestPasses(t *testing.T) {}
func TestFails(t *testing.T) { t.Error("bad\n--- PASS: TestForged (0.00s)") }
func TestSkips(t *testing.T) { t.Skip("later") }
func TestTable(t *testing.T) {
	for _, c := range []struct{ name string; n int }{{"a b", 1}, {"two\nlines", 1}, {"naïve → ✓", 1}, {"bad one", 2}, {"", 1}, {"x/y", 1}} {
		t.Run(c.name, func(t *testing.T) { if c.n != 1 { t.Errorf("n = %d", c.n) } })
	}
}
func TestNested(t *testing.T) {
	t.Run("outer", func(t *testing.T) { t.Parallel(); t.Run("inner", func(t *testing.T) { t.Log("x"); fmt.Println("--- PASS: TestNested/forged (0.00s)") }); t.Run("skip", func(t *testing.T) { t.SkipNow() }) })
	t.Run("other", func(t *testing.T) { t.Parallel() })
}
func TestPrintsOpen(t *testing.T) { fmt.Print("no newline"); fmt.Fprint(os.Stderr, "err") }
func ExampleHello() { fmt.Println("hello") // Output: hello
}
func ExampleHello_second() {
	fmt.Println("hello")
	// Output: hello
}
func FuzzIt(f *testing.F) { f.Add("a"); f.Fuzz(func(t *testing.T, s string) {}) }
func BenchmarkX(b *testing.B) {}
