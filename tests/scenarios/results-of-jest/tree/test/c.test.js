const x = require('./nothing');
test('never', () => {});
