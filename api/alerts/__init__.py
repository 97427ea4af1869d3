"""The reviewer's room: the queue of alerts, decisions with evidence, the weekly audit sample."""
