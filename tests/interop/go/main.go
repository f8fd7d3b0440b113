// SPDX-License-Identifier: Apache-2.0

// Test program over paho.mqtt.golang (3.1.1) and paho.golang (5.0): what the lines of
// standard input say.
package main

import (
	"bufio"
	"os"
)

type client interface {
	connect(l line)
	subscribe(l line)
	unsubscribe(l line)
	publish(l line)
	disconnect()
}

func main() {
	say("library paho.mqtt.golang 1.4.3 and paho.golang 0.12.0")
	in := bufio.NewReaderSize(os.Stdin, 1<<16)
	var c client
	for {
		l, ok := readLine(in)
		if !ok {
			return
		}
		switch l.word {
		case "connect":
			if l.number("version") == 5 {
				c = &client5{}
			} else {
				c = &client4{}
			}
			c.connect(l)
		case "subscribe":
			c.subscribe(l)
		case "unsubscribe":
			c.unsubscribe(l)
		case "publish":
			c.publish(l)
		case "disconnect":
			c.disconnect()
		}
	}
}
