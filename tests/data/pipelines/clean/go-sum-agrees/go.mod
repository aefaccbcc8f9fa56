module acme.example/users
go 1.24
require github.com/gin-gonic/gin v1.10.0
require (
	acme.example/lib v0.0.0
	golang.org/x/crypto v0.31.0 // indirect
)
replace acme.example/lib => ../lib
