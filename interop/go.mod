module segue.interop

go 1.25.0

require (
	github.com/couchbase/sg-bucket v0.0.0-20260714130240-329df715dd61
	github.com/couchbaselabs/rosmar v0.0.0-20260814160154-fdadaf72889b
)

require (
	github.com/google/uuid v1.6.0 // indirect
	github.com/mattn/go-sqlite3 v1.14.49 // indirect
	github.com/robertkrimen/otto v0.0.0-20211024170158-b87d35c0b86f // indirect
	golang.org/x/sys v0.47.0 // indirect
	golang.org/x/text v0.41.0 // indirect
	gopkg.in/sourcemap.v1 v1.0.5 // indirect
)
