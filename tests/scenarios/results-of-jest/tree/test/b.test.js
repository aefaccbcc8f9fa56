test('top level passes', () => { expect(1).toBe(1); });
