// Package export_postern_provider_provider is the example provider in Go, with plain generated bindings. The generator chose its name:
// the bindings look for the exports of `postern:provider/provider` here.
package export_postern_provider_provider

import (
	_ "embed"
	"strings"

	wit "go.bytecodealliance.org/pkg/wit/types"
	types "wit_component/postern_provider_types"
)

//go:embed config.schema.json
var configSchema string

//go:embed example-payload.json
var examplePayload string

// Config is what an administrator fills in. The host has filled in the defaults.
type Config struct {
	APIEndpoint string `json:"apiEndpoint"`
	APIKey      string `json:"apiKey"`
	Timeout     uint32 `json:"timeout"`
	Priority    string `json:"priority"`
}

func Describe() types.Manifest {
	return types.Manifest{
		Id:          "example-go",
		Version:     "1.0.0",
		DisplayName: "Example in Go",
		Description: "Posts each event as JSON to a service that knows its callers by an API key.",
		Icon:        wit.Some("bell"),
		Config:      types.SettingsSchema{Version: 1, Schema: configSchema},
		Hosts:       []string{"{config.apiEndpoint}"},
		Implements:  types.Capabilities_TestConnection,
		Documentation: types.Documentation{
			SetupGuide:     wit.Some("Make an API key in the service, and enter it here together with the URL that takes events."),
			ExamplePayload: wit.Some(strings.TrimSpace(examplePayload)),
			Headers:        []types.DocumentedHeader{{Name: "Authorization", Description: "Bearer, and the API key"}},
		},
	}
}

func Deliver(delivery types.Delivery) wit.Result[types.Receipt, types.Failure] {
	receipt, failure := deliver(delivery)
	if failure != nil {
		return wit.Err[types.Receipt](*failure)
	}
	return wit.Ok[types.Receipt, types.Failure](receipt)
}

func TestConnection(settings types.Settings) wit.Result[string, types.Failure] {
	config, err := read(settings.Config.Some())
	if err != nil {
		return wit.Err[string](*failed(err.Error()))
	}
	answer := config.send("GET", config.APIEndpoint+"/health", 5000, wit.None[[]uint8]())
	if answer.IsErr() {
		return wit.Err[string](*failed(answer.Err().Message))
	}
	if response := answer.Ok(); !isSuccess(response) {
		return wit.Err[string](*failed(described(response)))
	}
	return wit.Ok[string, types.Failure]("the service answers")
}

// The exports that the manifest does not claim are never called, but have to be there.

func ListOptions(types.OptionsRequest) wit.Result[[]types.OptionItem, types.Failure] {
	return wit.Err[[]types.OptionItem](*failed("there are no options"))
}

func MigrateConfig(kind types.SettingsKind, fromVersion uint32, value string) wit.Result[string, types.Failure] {
	return wit.Err[string](*failed("there is no older version"))
}

func Reconcile(types.Delivery) wit.Result[wit.Option[types.Receipt], types.Failure] {
	return wit.Ok[wit.Option[types.Receipt], types.Failure](wit.None[types.Receipt]())
}
