const { add } = require("../sums");

test("adds two numbers", () => {
  expect(add(1, 2)).toBe(3);
});

test("adds nothing", () => {
  expect(add(0, 5)).toBe(5);
});
