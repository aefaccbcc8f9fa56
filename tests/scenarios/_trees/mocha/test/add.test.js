const assert = require("node:assert/strict");
const { add } = require("../sums");

it("adds two numbers", () => {
  assert.equal(add(1, 2), 3);
});

it("adds nothing", () => {
  assert.equal(add(0, 5), 5);
});
