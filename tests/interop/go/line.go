// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
)

// A line of standard input: a word and key=value pairs; texts are in hex.
type line struct {
	word   string
	fields map[string]string
}

func (l line) number(key string) int {
	n, _ := strconv.Atoi(l.fields[key])
	return n
}

func (l line) bytes(key string) []byte {
	b, _ := hex.DecodeString(l.fields[key])
	return b
}

func (l line) text(key string) string { return string(l.bytes(key)) }

func (l line) has(key string) bool { _, ok := l.fields[key]; return ok }

func readLine(in *bufio.Reader) (line, bool) {
	text, err := in.ReadString('\n')
	if err != nil {
		return line{}, false
	}
	words := strings.Split(strings.TrimSuffix(text, "\n"), " ")
	l := line{words[0], map[string]string{}}
	for _, pair := range words[1:] {
		key, value, _ := strings.Cut(pair, "=")
		l.fields[key] = value
	}
	return l, true
}

var output sync.Mutex

func say(format string, args ...interface{}) {
	output.Lock()
	defer output.Unlock()
	fmt.Fprintf(os.Stdout, format+"\n", args...)
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

func sayMessage(topic string, payload []byte, qos byte, retain bool, extras string) {
	say("message qos=%d retain=%d topic=%x payload=%x%s", qos, flag(retain), topic, payload, extras)
}
