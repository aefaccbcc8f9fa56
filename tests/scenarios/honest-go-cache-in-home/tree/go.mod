module example.org/sums

go 1.18

require example.org/twice v1.0.0
