// Loaded into every Node process of a test run (NODE_OPTIONS): jest, vitest and mocha write a report beside what they
// print, which names tests that pass and cannot be taken for something that a test printed. What they run stays as it
// is; where the command picks a reporter of mocha, it stays that one.
'use strict';
try {
  const { accessSync, realpathSync } = require('fs');
  const path = require('path');
  const { argv } = process;
  const main = argv[1] ? realpathSync(argv[1]).split(path.sep).join('/') : '';
  const given = argv.slice(2);
  const has = (...names) => given.some((arg) => names.some((name) => arg === name || arg.startsWith(`${name}=`)));
  const file = (name) => path.join(__dirname, `${name}-${process.pid}`);
  // Behind `--` stand paths alone.
  const add = (...options) => {
    const end = argv.indexOf('--', 2);
    argv.splice(end < 0 ? argv.length : end, 0, ...options);
  };
  const asks = has('-h', '--help', '-v', '-V', '--version', '--outputFile');
  if (asks || given.some((arg) => arg.startsWith('--outputFile.'))) {
    // It says something of itself, or reports where it is told to.
  } else if (/\/node_modules\/jest(-cli)?\/bin\/jest\.js$/.test(main)) {
    if (!has('--json', '--listTests', '--showConfig', '--init', '--clearCache')) {
      add('--json', `--outputFile=${file('jest')}.json`);
    }
  } else if (/\/node_modules\/vitest\/vitest\.mjs$/.test(main)) {
    const verb = given.find((arg) => !arg.startsWith('-'));
    if (!['list', 'init', 'bench', 'complete'].includes(verb) && !has('--merge-reports', '--mergeReports')) {
      if (!has('--reporter')) add('--reporter=default');
      add('--reporter=junit', `--outputFile.junit=${file('vitest')}.xml`);
    }
  } else if (/\/node_modules\/mocha\/bin\/_?mocha(\.js)?$/.test(main)) {
    if (!has('-R', '--reporter', '--dry-run', '--list-files', '--list-reporters', '--list-interfaces')) {
      accessSync(path.join(path.dirname(main), '../lib/reporters/spec.js'));
      add('--reporter', path.join(__dirname, 'mocha.cjs'));
    }
  }
} catch {
  // Without the report the output tells what it can.
}
