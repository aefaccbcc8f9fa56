# Stands in for cargo: a test builds only where what it calls is there.
if grep -q 'double(2)' src/lib.rs && ! grep -q 'pub fn double' src/lib.rs; then
    echo 'error[E0425]: cannot find function `double` in this scope'
    echo 'error: could not compile `calc` (lib test) due to 1 previous error'
    exit 101
fi
echo 'running 2 tests'
grep -q 'fn doubles' src/lib.rs && echo 'test tests::doubles ... ok'
echo 'test test_adds ... ok'
echo
echo 'test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s'
