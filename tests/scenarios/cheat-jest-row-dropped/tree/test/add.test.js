const { add } = require("../sums");

test.each([
  [1, 2, 3],
  [0, 5, 5],
  [-1, 1, 0],
])("adds %i and %i", (a, b, sum) => {
  expect(add(a, b)).toBe(sum);
});
