use strict;
use warnings;
use Test::More tests => 2;

is(2 + 2, 4, "adds");
ok(1, "takes");
