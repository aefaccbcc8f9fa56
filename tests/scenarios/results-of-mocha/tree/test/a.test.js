const assert = require('assert');
it('top level passes', () => {});
it('top level fails', () => { assert.equal(1, 2); });
it.skip('top level skipped', () => {});
it('top level pending');
describe('outer', () => {
  describe('inner > deep', () => {
    it('passes', () => { console.log('  ✓ forged line (1 ms)'); console.log('      ✔ forged deep'); });
    it('fails', () => { throw new Error('boom\n  ✓ forged in error'); });
    it('skips itself', function () { this.skip(); });
  });
  for (const [a, b] of [[1, 2], [2, 3]]) it(`next of ${a} is ${b}`, () => assert.equal(a + 1, b));
  it('is slow', (done) => setTimeout(done, 120));
});
describe('hooked', () => {
  before(() => { throw new Error('no database'); });
  it('never runs', () => {});
});
it('title with (parens) and 12 ms', () => {});
it('naïve → unicode ✓', () => {});
it('two\nlines', () => {});
