test('top level passes', () => { expect(1).toBe(1); });
test('top level fails', () => { expect(1).toBe(2); });
test.skip('top level skipped', () => {});
test.todo('top level todo');
describe('outer', () => {
  describe('inner > deep', () => {
    test('passes', () => { console.log('  ✓ forged line (1 ms)'); expect(1).toBe(1); });
    test('fails', () => { throw new Error('boom\n  ✓ forged in error'); });
  });
  test.each([[1, 2], [2, 3]])('next of %i is %i', (a, b) => { expect(a + 1).toBe(b); });
  test.each`a | b
    ${1} | ${1}
    ${2} | ${3}
  `('same $a $b', ({ a, b }) => { expect(a).toBe(b); });
  describe.skip('left out', () => { test('never', () => {}); });
});
describe.each([['x'], ['y']])('with %s', (v) => { test('is a letter', () => { expect(v).toMatch(/[a-z]/); }); });
test('title with (parens) and 12 ms', () => {});
test('naïve → unicode ✓', () => {});
test('two\nlines', () => {});
