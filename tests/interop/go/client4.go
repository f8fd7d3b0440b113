// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

type client4 struct {
	c mqtt.Client
}

func (c *client4) connect(l line) {
	o := mqtt.NewClientOptions()
	o.AddBroker(fmt.Sprintf("tcp://127.0.0.1:%d", l.number("port")))
	o.SetClientID(l.text("id")).SetProtocolVersion(4).SetCleanSession(l.number("clean") == 1)
	o.SetAutoReconnect(false).SetConnectRetry(false)
	if l.has("wtopic") {
		o.SetBinaryWill(l.text("wtopic"), l.bytes("wpayload"), byte(l.number("wqos")), l.number("wretain") == 1)
	}
	o.SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
		sayMessage(m.Topic(), m.Payload(), m.Qos(), m.Retained(), "")
	})
	o.SetConnectionLostHandler(func(mqtt.Client, error) { say("lost") })
	c.c = mqtt.NewClient(o)
	t := c.c.Connect().(*mqtt.ConnectToken)
	t.Wait()
	say("connected code=%d present=%d shared=1", t.ReturnCode(), flag(t.SessionPresent()))
}

func code(err error) int { return 128 * flag(err != nil) }

func (c *client4) subscribe(l line) {
	t := c.c.Subscribe(l.text("filter"), byte(l.number("qos")), nil).(*mqtt.SubscribeToken)
	t.Wait()
	granted := code(t.Error())
	for _, q := range t.Result() {
		granted = int(q)
	}
	say("subscribed code=%d", granted)
}

func (c *client4) unsubscribe(l line) {
	t := c.c.Unsubscribe(l.text("filter"))
	t.Wait()
	say("unsubscribed code=%d", code(t.Error()))
}

func (c *client4) publish(l line) {
	t := c.c.Publish(l.text("topic"), byte(l.number("qos")), l.number("retain") == 1, l.bytes("payload"))
	go func() {
		t.Wait()
		say("published code=%d", code(t.Error()))
	}()
}

func (c *client4) disconnect() {
	c.c.Disconnect(100)
	say("disconnected")
}
