// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"

	"github.com/eclipse/paho.golang/paho"
)

type client5 struct {
	c     *paho.Client
	queue chan line
	done  chan struct{}

	leaving atomic.Bool
}

func (c *client5) connect(l line) {
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", l.number("port")))
	if err != nil {
		say("connected code=128 present=0 shared=0")
		return
	}
	c.c = paho.NewClient(paho.ClientConfig{
		Conn:   conn,
		Router: paho.NewSingleHandlerRouter(received),
		OnClientError: func(error) {
			if !c.leaving.Load() { // the end that we asked for is told as an error too
				say("lost")
			}
		},
	})
	expiry := uint32(l.number("expiry"))
	p := &paho.Connect{ClientID: l.text("id"), CleanStart: l.number("clean") == 1, KeepAlive: 30,
		Properties: &paho.ConnectProperties{SessionExpiryInterval: &expiry}}
	if l.has("wtopic") {
		p.WillMessage = &paho.WillMessage{Topic: l.text("wtopic"), Payload: l.bytes("wpayload"),
			QoS: byte(l.number("wqos")), Retain: l.number("wretain") == 1}
		p.WillProperties = &paho.WillProperties{}
	}
	ack, err := c.c.Connect(context.Background(), p)
	if err != nil && ack == nil {
		say("connected code=128 present=0 shared=0")
		return
	}
	shared := ack.Properties == nil || ack.Properties.SharedSubAvailable
	say("connected code=%d present=%d shared=%d", ack.ReasonCode, flag(ack.SessionPresent), flag(shared))
	c.queue, c.done = make(chan line, 1000), make(chan struct{})
	go c.publishAll()
}

func received(p *paho.Publish) {
	extras := ""
	if q := p.Properties; q != nil {
		if q.ContentType != "" {
			extras += fmt.Sprintf(" content=%x", q.ContentType)
		}
		if q.ResponseTopic != "" {
			extras += fmt.Sprintf(" response=%x", q.ResponseTopic)
		}
		if q.CorrelationData != nil {
			extras += fmt.Sprintf(" correlation=%x", q.CorrelationData)
		}
		for _, u := range q.User {
			extras += fmt.Sprintf(" key=%x value=%x", u.Key, u.Value)
		}
	}
	sayMessage(p.Topic, p.Payload, p.QoS, p.Retain, extras)
}

func (c *client5) subscribe(l line) {
	ack, err := c.c.Subscribe(context.Background(), &paho.Subscribe{
		Subscriptions: []paho.SubscribeOptions{{Topic: l.text("filter"), QoS: byte(l.number("qos"))}}})
	granted := code(err)
	if ack != nil && len(ack.Reasons) == 1 {
		granted = int(ack.Reasons[0])
	}
	say("subscribed code=%d", granted)
}

func (c *client5) unsubscribe(l line) {
	_, err := c.c.Unsubscribe(context.Background(), &paho.Unsubscribe{Topics: []string{l.text("filter")}})
	say("unsubscribed code=%d", code(err))
}

func (c *client5) publish(l line) { c.queue <- l }

// Its Publish waits for the acknowledgement: one after another keeps the order.
func (c *client5) publishAll() {
	for l := range c.queue {
		p := &paho.Publish{Topic: l.text("topic"), Payload: l.bytes("payload"), QoS: byte(l.number("qos")),
			Retain: l.number("retain") == 1}
		if l.has("content") {
			p.Properties = &paho.PublishProperties{ContentType: l.text("content"), ResponseTopic: l.text("response"),
				CorrelationData: l.bytes("correlation")}
			p.Properties.User.Add(l.text("key"), l.text("value"))
		}
		r, err := c.c.Publish(context.Background(), p)
		reason := code(err)
		if r != nil && err == nil {
			reason = int(r.ReasonCode)
		}
		say("published code=%d", reason)
	}
	close(c.done)
}

func (c *client5) disconnect() {
	c.leaving.Store(true)
	close(c.queue)
	<-c.done
	c.c.Disconnect(&paho.Disconnect{ReasonCode: 0})
	say("disconnected")
}
