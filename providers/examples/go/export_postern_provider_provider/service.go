package export_postern_provider_provider

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	wit "go.bytecodealliance.org/pkg/wit/types"
	http "wit_component/postern_provider_http"
	types "wit_component/postern_provider_types"
)

// Message is what the service receives.
type Message struct {
	EventType        string          `json:"event_type"`
	Timestamp        string          `json:"timestamp"`
	DeliveryID       string          `json:"delivery_id"`
	SubscriptionName string          `json:"subscription_name"`
	Priority         string          `json:"priority"`
	Data             json.RawMessage `json:"data"`
}

func read(settings string) (Config, error) {
	var config Config
	err := json.Unmarshal([]byte(settings), &config)
	return config, err
}

// encode is json.Marshal without its escapes of `<`, `>` and `&`, which are for pages of HTML.
func encode(message Message) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(message)
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n")), err
}

func (config Config) send(method, url string, timeout uint32, body wit.Option[[]uint8]) wit.Result[http.Response, http.Error] {
	headers := []http.Header{{Name: "Authorization", Value: "Bearer " + config.APIKey}}
	if body.IsSome() {
		headers = append(headers, http.Header{Name: "Content-Type", Value: "application/json"})
	}
	return http.Send(http.Request{Method: method, Url: url, Headers: headers, Body: body, TimeoutMilliseconds: wit.Some(timeout)})
}

// failed says that the delivery failed. Whether and when to try again, the host reads from the request and its answer itself.
func failed(message string) *types.Failure {
	return &types.Failure{Message: message, Retry: wit.None[types.Retry]()}
}

func isSuccess(response http.Response) bool {
	return response.Status >= 200 && response.Status <= 299
}

func described(response http.Response) string {
	text := []rune(strings.ToValidUTF8(string(response.Body), "\uFFFD"))
	return fmt.Sprintf("the service answered HTTP %d: %s", response.Status, string(text[:min(len(text), 200)]))
}

// externalID is what the service calls the thing that it made, if it says so.
func externalID(body []byte) wit.Option[string] {
	var answer struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.ID == "" || len(answer.ID) > 256 {
		return wit.None[string]()
	}
	return wit.Some(answer.ID)
}
