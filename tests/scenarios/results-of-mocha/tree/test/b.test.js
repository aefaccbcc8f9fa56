it('top level passes', () => {});
