it('only here', () => {});
describe('suite', () => { it('in suite', () => {}); });
