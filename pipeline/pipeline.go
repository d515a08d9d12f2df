// Package pipeline is the data path: the stages between the HTTP side and Slack.
//
//	Ingest     stores a verified webhook in RAW
//	Normalize  turns stored webhooks into events in EVENTS
//	Judge      folds events by the rules and stores transitions in ALERTS
//	Announce   hands transitions to the notifier
//
// and, in package fetching, the stage that asks the providers for what webhooks leave
// out. Each stage can be stopped anywhere and continues from what is stored. A stage
// runs under a lease, so that one replica at a time works for it; stage.Run keeps the
// stages running. The package imports normalizer, rules, notifier, stream and call;
// it knows no command, no HTTP and no metrics library.
package pipeline
