// A reporter of mocha: prints what its own `spec` prints, and writes every test with its titles, in jest's form.
'use strict';
const { realpathSync, writeFileSync } = require('fs');
const path = require('path');
const Spec = require(path.join(path.dirname(realpathSync(process.argv[1])), '../lib/reporters/spec.js'));

module.exports = class extends Spec {
  constructor(runner, options) {
    super(runner, options);
    const files = new Map();
    const note = (status) => (test) => {
      const titles = test.titlePath ? test.titlePath() : [test.fullTitle()];
      const name = test.file || '';
      if (!files.has(name)) files.set(name, { name, status: 'passed', assertionResults: [] });
      const file = files.get(name);
      if (status === 'failed') file.status = status;
      const title = titles.pop() || '';
      file.assertionResults.push({ ancestorTitles: titles, title, status });
    };
    runner.on('pass', note('passed'));
    runner.on('fail', note('failed'));
    runner.on('pending', note('pending'));
    runner.once('end', () => {
      const report = JSON.stringify({ testResults: [...files.values()] });
      writeFileSync(path.join(__dirname, `mocha-${process.pid}.json`), report);
    });
  }
};
