use strict;
use warnings;
use Test::More;

is(1 + 2, 3, "adds");
ok(0, "breaks");
TODO: { local $TODO = "not yet"; ok(0, "later on"); }
SKIP: { skip "on another system", 1; }
subtest "with parts" => sub { ok(1, "one"); ok(1, "two"); };
done_testing();
