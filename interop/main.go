// Command interop reads and writes a bucket through the module that Sync Gateway itself uses, to show that what Segue
// wrote is what the original reads, and the other way round.
//
//	interop dump DIRECTORY SCOPE.COLLECTION     every record, one JSON object a line, in byte order of key
//	interop write DIRECTORY SCOPE.COLLECTION    go on writing: bodies, xattrs, counters, expiry, deletions
//	interop compare A B                         two dumps: equal record for record?
//
// The module's methods have taken a context as their first argument since some version; they are called by name through
// reflection, which gives one where it is asked for, so that pinning another version needs no change here.
package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strconv"
	"strings"

	sgbucket "github.com/couchbase/sg-bucket"
	"github.com/couchbaselabs/rosmar"
)

// record is a line of a dump; the fields come in this order.
type record struct {
	Key     string            `json:"key"`
	Cas     string            `json:"cas"`
	Rev     string            `json:"rev"`
	Exp     uint32            `json:"exp"`
	IsJSON  bool              `json:"is_json"`
	Deleted bool              `json:"deleted"`
	Body    *string           `json:"body"`
	Xattrs  map[string]string `json:"xattrs"`
}

func fatal(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "interop: "+format+"\n", args...)
	os.Exit(1)
}

var (
	contextType = reflect.TypeOf((*context.Context)(nil)).Elem()
	errorType   = reflect.TypeOf((*error)(nil)).Elem()
)

// invoke calls fn, with a context before the arguments if it wants one; nil is the zero value of its parameter. An error
// that is returned ends the program. The other results come back.
func invoke(name string, fn reflect.Value, args ...any) []reflect.Value {
	if !fn.IsValid() {
		fatal("the module has no %s", name)
	}
	t := fn.Type()
	in := make([]reflect.Value, 0, len(args)+1)
	if t.NumIn() > 0 && t.In(0) == contextType {
		in = append(in, reflect.ValueOf(context.Background()))
	}
	for _, arg := range args {
		if len(in) >= t.NumIn() {
			fatal("%s takes %d arguments only", name, t.NumIn())
		}
		want := t.In(len(in))
		switch {
		case arg == nil:
			in = append(in, reflect.Zero(want))
		case reflect.TypeOf(arg).AssignableTo(want):
			in = append(in, reflect.ValueOf(arg))
		default:
			in = append(in, reflect.ValueOf(arg).Convert(want))
		}
	}
	out := fn.Call(in)
	if n := len(out); n > 0 && out[n-1].Type() == errorType {
		if err, ok := out[n-1].Interface().(error); ok {
			fatal("%s%v: %v", name, args, err)
		}
		out = out[:n-1]
	}
	return out
}

// call calls a method by its name.
func call(on any, method string, args ...any) []reflect.Value {
	return invoke(method, reflect.ValueOf(on).MethodByName(method), args...)
}

func openBucket(directory string) any {
	absolute, err := filepath.Abs(directory)
	if err != nil {
		fatal("%v", err)
	}
	open := reflect.ValueOf(rosmar.OpenBucket)
	return invoke("OpenBucket", open, "rosmar://"+absolute, "sg", rosmar.ReOpenExisting)[0].Interface()
}

func splitName(name string) sgbucket.DataStoreNameImpl {
	scope, collection, ok := strings.Cut(name, ".")
	if !ok {
		fatal("%s is not SCOPE.COLLECTION", name)
	}
	return sgbucket.DataStoreNameImpl{Scope: scope, Collection: collection}
}

// ---- dump ----

// splitValue takes the xattrs off the front of a feed event's value: a length, then pairs of name and value, each ended by
// a zero byte.
func splitValue(value []byte) (body []byte, xattrs map[string]string, err error) {
	xattrs = map[string]string{}
	if len(value) < 4 || uint64(binary.BigEndian.Uint32(value))+4 > uint64(len(value)) {
		return nil, nil, errors.New("no xattr section")
	}
	section, body := value[4:4+binary.BigEndian.Uint32(value)], value[4+binary.BigEndian.Uint32(value):]
	for len(section) > 0 {
		if len(section) < 4 || uint64(binary.BigEndian.Uint32(section))+4 > uint64(len(section)) {
			return nil, nil, errors.New("a cut xattr")
		}
		pair := string(section[4 : 4+binary.BigEndian.Uint32(section)])
		section = section[4+len(pair):]
		name, rest, ok := strings.Cut(pair, "\x00")
		if !ok || !strings.HasSuffix(rest, "\x00") {
			return nil, nil, errors.New("an xattr without its zero bytes")
		}
		xattrs[name] = strings.TrimSuffix(rest, "\x00")
	}
	return body, xattrs, nil
}

func toRecord(event sgbucket.FeedEvent) record {
	r := record{
		Key:    string(event.Key),
		Cas:    strconv.FormatUint(event.Cas, 10),
		Rev:    strconv.FormatUint(uint64(event.RevNo), 10),
		IsJSON: event.DataType&sgbucket.FeedDataTypeJSON != 0,
		Xattrs: map[string]string{},
	}
	body := event.Value
	if event.DataType&sgbucket.FeedDataTypeXattr != 0 {
		var err error
		if body, r.Xattrs, err = splitValue(event.Value); err != nil {
			fatal("%q: %v", event.Key, err)
		}
	}
	r.Deleted = event.Opcode == sgbucket.FeedOpDeletion
	if !r.Deleted {
		text := base64.StdEncoding.EncodeToString(body)
		r.Body = &text
	}
	return r
}

func dump(bucket any, name string) []record {
	id := splitName(name)
	store := call(bucket, "NamedDataStore", id)[0].Interface()
	var records []record
	callback := func(event sgbucket.FeedEvent) bool {
		if event.Opcode == sgbucket.FeedOpMutation || event.Opcode == sgbucket.FeedOpDeletion {
			records = append(records, toRecord(event))
		}
		return true
	}
	done := make(chan struct{})
	call(bucket, "StartDCPFeed", sgbucket.FeedArguments{
		ID:       "segue-interop",
		Dump:     true,
		DoneChan: done,
		Scopes:   map[string][]string{id.Scope: {id.Collection}},
	}, callback, nil)
	<-done
	for i := range records {
		records[i].Exp = uint32(call(store, "GetExpiry", records[i].Key)[0].Uint())
	}
	sort.Slice(records, func(i, j int) bool { return records[i].Key < records[j].Key })
	return records
}

func printRecords(records []record) {
	out := bufio.NewWriter(os.Stdout)
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	for _, r := range records {
		if err := lines.Encode(r); err != nil {
			fatal("%v", err)
		}
	}
	if err := out.Flush(); err != nil {
		fatal("%v", err)
	}
}

// ---- write ----

// goOnWriting touches records that are there, whoever wrote them, and makes new ones of every shape.
func goOnWriting(bucket any, name string) {
	store := call(bucket, "NamedDataStore", splitName(name))[0].Interface()
	later := uint32(1900000000)
	own := "interop:" + name + ":"
	n := 0
	for _, r := range dump(bucket, name) {
		if r.Deleted || strings.HasPrefix(r.Key, "_segue:") {
			continue
		}
		switch n++; n % 7 {
		case 0:
			call(store, "Set", r.Key, uint32(0), nil, map[string]any{"interop": n})
		case 1:
			call(store, "Delete", r.Key)
		case 2:
			call(store, "Touch", r.Key, later)
		case 3:
			call(store, "SetXattrs", r.Key, map[string][]byte{"_interop": []byte(`{"n":1}`), "user": []byte(`"é<&>"`)})
		}
	}
	call(store, "AddRaw", own+"binary", uint32(0), []byte{0, 1, 2, 0xff})
	call(store, "AddRaw", own+"empty", later, []byte{})
	call(store, "Set", own+"gone", uint32(0), nil, map[string]any{"a": 1})
	call(store, "SetXattrs", own+"gone", map[string][]byte{"_kept": []byte(`1`), "dropped": []byte(`2`)})
	call(store, "Delete", own+"gone")
	call(store, "WriteWithXattrs", own+"xattrs", later, uint64(0), []byte(`{"b":2}`),
		map[string][]byte{"_sync": []byte(`{"seq":1}`)}, nil, nil)
	for i := 0; i < 3; i++ {
		call(store, "Incr", own+"counter", uint64(5), uint64(100), uint32(0))
	}
}

// ---- compare ----

func readRecords(path string) map[string]record {
	file, err := os.Open(path)
	if err != nil {
		fatal("%v", err)
	}
	defer file.Close()
	records := map[string]record{}
	lines := json.NewDecoder(bufio.NewReader(file))
	for lines.More() {
		var r record
		if err := lines.Decode(&r); err != nil {
			fatal("%s: %v", path, err)
		}
		if strings.HasPrefix(r.Key, "_segue:") {
			continue // Segue's own records, which it does not export
		}
		if _, twice := records[r.Key]; twice {
			fatal("%s: %q twice", path, r.Key)
		}
		records[r.Key] = r
	}
	return records
}

func compare(a, b string) {
	left, right := readRecords(a), readRecords(b)
	different := 0
	tell := func(key string, l, r any) {
		if different++; different <= 5 {
			lText, _ := json.Marshal(l) // plain structs of strings and numbers
			rText, _ := json.Marshal(r)
			fmt.Fprintf(os.Stderr, "%q:\n  %.300s\n  %.300s\n", key, lText, rText)
		}
	}
	for key, l := range left {
		if r, ok := right[key]; !ok {
			tell(key, l, "not there")
		} else if !reflect.DeepEqual(l, r) {
			tell(key, l, r)
		}
	}
	for key, r := range right {
		if _, ok := left[key]; !ok {
			tell(key, "not there", r)
		}
	}
	if different > 0 {
		fatal("%s and %s differ in %d records", a, b, different)
	}
	fmt.Printf("%d records equal\n", len(left))
}

func main() {
	if len(os.Args) != 4 {
		fatal("use: dump DIRECTORY SCOPE.COLLECTION | write DIRECTORY SCOPE.COLLECTION | compare A B")
	}
	switch os.Args[1] {
	case "compare":
		compare(os.Args[2], os.Args[3])
		return
	case "dump", "write":
	default:
		fatal("there is no command %s", os.Args[1])
	}
	bucket := openBucket(os.Args[2])
	if os.Args[1] == "dump" {
		printRecords(dump(bucket, os.Args[3]))
	} else {
		goOnWriting(bucket, os.Args[3])
	}
	call(bucket, "Close")
}
