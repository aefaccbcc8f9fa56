test('only here', () => { expect(1).toBe(1); });
describe('suite', () => { it('in suite', () => {}); });
